"""A TFLite file from the objects of its schema, with the alignment that interpreters expect."""

from typing import Any

import flatbuffers

ALIGNMENT = 16


class _AlignedBuilder(flatbuffers.Builder):
    """The generated code aligns bytes to one byte, where the schema asks for 16 in a model's buffers."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        return super().StartVector(elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment)


def packed(model: Any) -> bytes:
    """Give the bytes of a `ModelT`."""
    builder = _AlignedBuilder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
