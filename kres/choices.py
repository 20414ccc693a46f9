"""The words for a value that is none of those there are: which are, and which is the closest to it."""

import difflib
from collections.abc import Collection, Sequence
from typing import TypeVar

T = TypeVar("T")


def listed(names: Sequence[object], last: str = "or") -> str:
    """Write names as words: `a`, `a or b`, `a, b or c`; `last` stands before the last."""
    *head, tail = map(str, names)
    return f"{', '.join(head)} {last} {tail}" if head else tail


def one_of(choices: Collection[object]) -> str:
    """Write what is allowed: `one of a, b or c`, or the only value that there is."""
    return listed(list(choices)) if len(choices) == 1 else f"one of {listed(list(choices))}"


def closest(value: object, choices: Collection[object]) -> str:
    """Write a sentence, with a space before it, that offers the choice closest to a misspelled one; or nothing."""
    found = difflib.get_close_matches(str(value), list(map(str, choices)), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def check_choice(value: T, name: str, choices: Collection[object], *, of: str = "") -> T:
    """Give a value back, or raise ValueError that says which `name` (`of` something) may have, and the closest."""
    if value not in choices:
        hint = closest(value, choices) if len(choices) > 1 else ""
        raise ValueError(f"{name} must be {one_of(choices)}{of}.{hint} Received: {name}={value!r}")
    return value
