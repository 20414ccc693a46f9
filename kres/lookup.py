"""Finding things by name: the networks of the zoo, and a good error for a name that no table has."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from kres.specs import Spec
from kres.zoo import ROWS

T = TypeVar("T")


FEW = 20


def look_up(table: Mapping[str, T], name: object, *, what: str, listing: str = "") -> T:
    """The entry of `table` called `name`; `what` says in the error what the table holds, `listing` what lists it.

    Raises:
        ValueError: no entry has that name; the error names the closest.
    """
    if isinstance(name, str) and name in table:
        return table[name]
    # Of a table too long to be told whole, the nearest names, near or not.
    close = difflib.get_close_matches(str(name).lower(), table, n=3, cutoff=0.5 if len(table) <= FEW else 0.0)
    hint = f"Closest: {', '.join(close)}." if close else f"Known: {', '.join(sorted(table))}."
    listed = f" `{listing}` shows all {len(table)}." if listing else ""
    raise ValueError(f"There is no {what} of that name. {hint}{listed} Received: {name!r}")


def spec(name: str) -> Spec:
    """The row of the zoo called `name`.

    Raises:
        ValueError: the zoo has no such row; the error names the closest.
    """
    return look_up(ROWS, name, what="network", listing="kres list")
