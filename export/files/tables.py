"""Flatbuffer tables as dictionaries from field number to value, for a schema that has no generated module to import."""

from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import encode
from flatbuffers import number_types as types
from flatbuffers.table import Table as Buffer

Table = dict[int, Any]
"""Values are strings, tables, lists of tables, float32 arrays, and NumPy's uint8 (an enumeration) or uint32."""

SCALARS = {np.uint8: types.Uint8Flags, np.uint32: types.Uint32Flags}


def pack(root: Table, identifier: bytes) -> bytes:
    """Write `root` and all that it holds as a flatbuffer with the four bytes `identifier`."""
    builder = flatbuffers.Builder()
    builder.Finish(_table(builder, root), file_identifier=identifier)
    return bytes(builder.Output())


def _table(builder: Any, table: Table) -> int:
    # A flatbuffer grows from its end: what a table refers to is written before the table.
    slots = {field: _value(builder, value) for field, value in table.items()}
    builder.StartObject(max(table, default=-1) + 1)
    for field, (kind, value) in slots.items():
        if kind is None:
            builder.PrependUOffsetTRelativeSlot(field, value, 0)
        else:
            builder.PrependSlot(kind, field, value, 0)
    return builder.EndObject()


def _value(builder: Any, value: Any) -> tuple[Any, int]:
    """Give the scalar's kind and the value, or None and the place where the value was written."""
    if (kind := SCALARS.get(type(value))) is not None:
        return kind, int(value)
    if isinstance(value, str):
        return None, builder.CreateString(value)
    if isinstance(value, dict):
        return None, _table(builder, value)
    if isinstance(value, np.ndarray):
        return None, builder.CreateNumpyVector(value.astype(np.float32))
    places = [_table(builder, entry) for entry in value]
    builder.StartVector(types.UOffsetTFlags.bytewidth, len(places), types.UOffsetTFlags.bytewidth)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return None, builder.EndVector()


class Reader:
    """One table of a flatbuffer; a field that it does not hold reads as nothing."""

    def __init__(self, content: bytes, position: int | None = None) -> None:
        if position is None:
            position = encode.Get(types.UOffsetTFlags.packer_type, content, 0)
        self._content, self._table = content, Buffer(content, position)

    def _place(self, field: int) -> int | None:
        offset = self._table.Offset(4 + 2 * field)
        return offset + self._table.Pos if offset else None

    def byte(self, field: int) -> int:
        """Give an enumeration's value."""
        place = self._place(field)
        return 0 if place is None else self._table.Get(types.Uint8Flags, place)

    def text(self, field: int) -> str:
        """Give a string."""
        place = self._place(field)
        return "" if place is None else self._table.String(place).decode()

    def floats(self, field: int) -> tuple[float, ...]:
        """Give a vector of floats."""
        return tuple(self._table.Get(types.Float32Flags, place) for place in self._entries(field))

    def table(self, field: int) -> "Reader | None":
        """Give a table, or None where there is none."""
        place = self._place(field)
        return None if place is None else Reader(self._content, self._table.Indirect(place))

    def tables(self, field: int) -> list["Reader"]:
        """Give a vector of tables."""
        return [Reader(self._content, self._table.Indirect(place)) for place in self._entries(field)]

    def _entries(self, field: int) -> Iterator[int]:
        """Give the places of a vector's entries, which are four bytes each."""
        if self._place(field) is not None:
            offset = self._table.Offset(4 + 2 * field)
            start = self._table.Vector(offset)
            yield from range(start, start + 4 * self._table.VectorLen(offset), 4)
