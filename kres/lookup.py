"""Finding things by name: the networks of the zoo, and a good error for a name that no table has."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from kres.specs import Spec
from kres.zoo import ROWS

T = TypeVar("T")


def look_up(table: Mapping[str, T], name: object, *, what: str) -> T:
    """The entry of `table` called `name`; `what` says in the error what the table holds.

    Raises:
        ValueError: no entry has that name; the error names the closest.
    """
    if isinstance(name, str) and name in table:
        return table[name]
    close = difflib.get_close_matches(str(name).lower(), table, n=3, cutoff=0.5)
    hint = f"Closest: {', '.join(close)}." if close else f"Known: {', '.join(sorted(table)[:20])}."
    raise ValueError(f"There is no {what} of that name. {hint} Received: {name!r}")


def spec(name: str) -> Spec:
    """The row of the zoo called `name`.

    Raises:
        ValueError: the zoo has no such row; the error names the closest.
    """
    return look_up(ROWS, name, what="network")
