"""Types of a recipe's fields with what they allow, and the one check and the one parser of them all."""

import json
import math
import types
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from kres.training.settings.conditions import split


@dataclass(frozen=True)
class Bound:
    """What a number may be: at least `low` (or `above` it), at most `high` (or `below` it)."""

    low: float | None = None
    above: float | None = None
    high: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """Whether `value` lies within."""
        return (
            (self.low is None or value >= self.low)
            and (self.above is None or value > self.above)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        limits = {"at least": self.low, "above": self.above, "at most": self.high, "below": self.below}
        return " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)


Count = Annotated[int, Bound(low=1)]
CountOrNone = Annotated[int, Bound(low=0)]
Positive = Annotated[float, Bound(above=0)]
NotNegative = Annotated[float, Bound(low=0)]
Share = Annotated[float, Bound(low=0, high=1)]
BelowOne = Annotated[float, Bound(low=0, below=1)]


def check_fields(part: Any) -> None:
    """ValueError for the first field of a frozen dataclass whose value its type does not allow.

    A list becomes a tuple and an integer a float where the type says so: JSON and the command line know no better.
    """
    for field in fields(part):
        hint = hints_of(type(part))[field.name]
        value = settled(getattr(part, field.name), hint)
        if not allows(hint, value):
            raise ValueError(f"{field.name} must be {describe(hint)}. Received: {field.name}={value!r}")
        object.__setattr__(part, field.name, value)


_hints: dict[type, dict[str, Any]] = {}


def hints_of(cls: type) -> dict[str, Any]:
    """Types of a dataclass's fields, bounds included and conditions not."""
    if cls not in _hints:
        _hints[cls] = {name: split(hint)[0] for name, hint in get_type_hints(cls, include_extras=True).items()}
    return _hints[cls]


def settled(value: Any, hint: Any) -> Any:
    """`value` as its type holds it: lists as tuples, whole numbers as floats where a float is wanted."""
    for option in _options(hint):
        plain = _plain(option)
        if get_origin(plain) is tuple and isinstance(value, (list, tuple)):
            kinds = _kinds(plain, len(value))
            return tuple(map(settled, value, kinds)) if len(kinds) == len(value) else tuple(value)
        if plain is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
    return value


def allows(hint: Any, value: Any) -> bool:
    """Whether a field of type `hint` may hold `value`."""
    return any(_allows_one(option, value) for option in _options(hint))


def describe(hint: Any) -> str:
    """The type in words: what is allowed."""
    return " or ".join(_describe_one(option) for option in _options(hint))


def parse(text: str, hint: Any) -> Any:
    """The value that `text` (of the command line) means for a field of type `hint`; ValueError when it means none.

    Words stand for themselves; numbers, `true`, `none` and lists (`[1, 2]`, or `1,2`) are as JSON has them.
    """
    candidates = [text, *_json(text), *_json(f"[{text}]")]
    if text.lower() in ("none", "null"):
        candidates.insert(0, None)
    if text.lower() in ("true", "false"):
        candidates.insert(0, text.lower() == "true")
    for candidate in candidates:
        value = settled(candidate, hint)
        if allows(hint, value):
            return value
    raise ValueError(f"must be {describe(hint)}. Received: {text!r}")


def _json(text: str) -> list[Any]:
    try:
        return [json.loads(text)]
    except ValueError:
        return []


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _bounds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _kinds(hint: Any, count: int) -> tuple[Any, ...]:
    kinds = get_args(hint)
    return (kinds[0],) * count if kinds[-1] is Ellipsis else kinds


def _allows_one(hint: Any, value: Any) -> bool:
    plain = _plain(hint)
    if plain is type(None):
        return value is None
    if get_origin(plain) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(plain))
    if get_origin(plain) is tuple:
        kinds = _kinds(plain, len(value)) if isinstance(value, tuple) else ()
        return isinstance(value, tuple) and len(kinds) == len(value) and all(map(allows, kinds, value))
    if plain in (int, float):
        number = isinstance(value, plain) and not isinstance(value, bool) and math.isfinite(value)
        return number and all(bound.holds(value) for bound in _bounds(hint))
    return isinstance(value, plain)


def _describe_one(hint: Any) -> str:
    plain = _plain(hint)
    if plain is type(None):
        return "none"
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(map(repr, get_args(plain)))
    if get_origin(plain) is tuple:
        kinds = get_args(plain)
        many = "any number of" if kinds[-1] is Ellipsis else str(len(kinds))
        return f"a list of {many}, each {describe(kinds[0])}"
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
    named = words.get(plain) or f"a {getattr(plain, '__name__', plain)}"
    return " ".join([named, *map(str, _bounds(hint))])
