"""How the recipe of a run differs from the published one of its name, as `run.json` keeps recipes."""

from collections.abc import Iterator, Mapping
from typing import Any

from kres.training.recipes import list_recipes, recipe
from kres.training.workdir import data_name

Changes = dict[str, tuple[Any, Any]]
"""By dotted field: the published value and that of the run."""
LENGTH, UNIT = "schedule.length", "schedule.unit"


def changes_of(stored: Mapping[str, Any]) -> Changes | None:
    """What was changed in the published recipe of that name; None where there is none of that name.

    Of a schedule that was squeezed or stretched the length is named, not all that follows from it.
    """
    name = stored.get("name")
    if name not in list_recipes():
        return None
    published = recipe(name)
    found = dict(_differing(published.to_dict(), stored))
    if LENGTH not in found and UNIT not in found:
        return found
    schedule = stored["schedule"]
    squeezed = published.with_length(schedule["length"], schedule["unit"])
    besides = dict(_differing(squeezed.to_dict(), stored))
    return {field: pair for field, pair in found.items() if field in (LENGTH, UNIT) or field in besides}


def words_of(value: Any) -> str:
    """The value of a recipe's field to show to others: of a path the last part."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words_of(item)}" for name, item in value.items() if item not in (None, [], ""))
    if isinstance(value, list):
        return " ".join(map(words_of, value)) or "-"
    if isinstance(value, str):
        return data_name(value)
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Fields of `after` with another value before; what it lacks, as a recipe of an older version may, says nothing."""
    for field, new in after.items():
        key, old = f"{prefix}{field}", before.get(field)
        if key == "about":  # words, which change nothing in a run
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differing(old, new, f"{key}.")
        elif old != new:
            yield key, (old, new)
