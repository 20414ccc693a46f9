"""Which fields of a part are read under which values of its others: a setting that nothing reads promises too much."""

import functools
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Under:
    """What a field's type says beside its bounds: it is read where `field` holds one of `values`.

    Without `values`: where it holds anything but its default. Several at a field must all be met.
    """

    field: str
    values: tuple[Any, ...] = ()

    def met(self, held: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
        """Whether the fields of a part, by name, fulfil it."""
        value = held[self.field]
        return value in self.values if self.values else value != defaults[self.field]

    def in_words(self, defaults: Mapping[str, Any]) -> str:
        """As an error tells it."""
        if self.values:
            return f"{self.field}={' or '.join(map(repr, self.values))}"
        return f"{self.field} other than {defaults[self.field]!r}"

    def received(self, held: Mapping[str, Any]) -> str:
        """What it looks at, as an error shows it."""
        return f"{self.field}={held[self.field]!r}"


@dataclass(frozen=True)
class UnderAny:
    """The same of several conditions, one of which is enough."""

    conditions: tuple[Under, ...]

    def met(self, held: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
        """Whether the fields of a part, by name, fulfil one."""
        return any(condition.met(held, defaults) for condition in self.conditions)

    def in_words(self, defaults: Mapping[str, Any]) -> str:
        """As an error tells it."""
        return f"at least one of ({', '.join(condition.in_words(defaults) for condition in self.conditions)})"

    def received(self, held: Mapping[str, Any]) -> str:
        """What they look at, as an error shows it."""
        return ", ".join(condition.received(held) for condition in self.conditions)


Condition = Under | UnderAny


def check_read(part: Any) -> None:
    """ValueError for the first field that differs from its default although nothing reads it."""
    cls: type = type(part)
    held, defaults = vars(part), _defaults(cls)
    for name, unmet in _unread(cls, held).items():
        raise ValueError(
            f"{name} goes with {' and '.join(one.in_words(defaults) for one in unmet)}; without, it stays "
            f"{defaults[name]!r}. Received: {', '.join(one.received(held) for one in unmet)}, "
            f"{name}={held[name]!r}"
        )


def unread(cls: type, held: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a part of `cls` that differ from their defaults although nothing reads them, and those defaults."""
    defaults = _defaults(cls)
    return {name: defaults[name] for name in _unread(cls, held)}


def split(hint: Any) -> tuple[Any, tuple[Condition, ...]]:
    """A field's type without its conditions, and these."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    plain, *notes = get_args(hint)
    others = tuple(note for note in notes if not isinstance(note, Condition))
    bare = Annotated[(plain, *others)] if others else plain
    return bare, tuple(note for note in notes if isinstance(note, Condition))


def _unread(cls: type, held: Mapping[str, Any]) -> dict[str, list[Condition]]:
    """The conditions that are not met of each such field."""
    defaults = _defaults(cls)
    found = {}
    for name, conditions in _conditions(cls).items():
        unmet = [condition for condition in conditions if not condition.met(held, defaults)]
        if unmet and held[name] != defaults[name]:
            found[name] = unmet
    return found


@functools.cache
def _conditions(cls: type) -> dict[str, tuple[Condition, ...]]:
    every = {name: split(hint)[1] for name, hint in get_type_hints(cls, include_extras=True).items()}
    return {name: conditions for name, conditions in every.items() if conditions}


@functools.cache
def _defaults(cls: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(cls) if field.default is not MISSING}
