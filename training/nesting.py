"""Nested settings as one table."""

from collections.abc import Mapping
from typing import Any


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"recipe": {"steps": 3}}` as `{"recipe.steps": 3}`; an empty mapping stays one."""
    table: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        table |= flatten(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return table
