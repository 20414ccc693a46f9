"""A recipe as the command line changes it: `schedule.learning_rate=0.2`, `loss.teacher.row=resnet152d`."""

import difflib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from kres.training.settings.conditions import unread
from kres.training.settings.recipe import Recipe, part_of
from kres.training.settings.values import describe, hints_of, parse

logger = logging.getLogger(__name__)

Tree = dict[str, Any]


def apply(recipe: Recipe, changes: Iterable[str]) -> Recipe:
    """`recipe` with all changes, each `part.field=value`, made at once: only the result must make sense.

    A part that is not there yet, such as `loss.teacher`, is made of the fields that are set. A field that the changes
    leave unread, such as `decay_at` under another `kind` of schedule, goes back to its default, and the log says so.

    Raises:
        ValueError: no such key (the closest is named), a value that its field does not take, a key set twice, or a
            recipe that makes no sense.
    """
    tree: Tree = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"a change of a recipe is written part.field=value. Received: {change!r}")
        _place(tree, key.strip(), text.strip())
    return _changed(recipe, type(recipe), tree, prefix="")


def differences(before: Recipe, after: Recipe) -> tuple[str, ...]:
    """Dotted keys of the fields that differ, in the order of the recipe."""
    return tuple(_differences(before, after, prefix=""))


def _place(tree: Tree, key: str, text: str) -> None:
    *path, last = key.split(".")
    node: Any = tree
    for name in path:
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            break
    if not isinstance(node, dict) or last in node:
        raise ValueError(f"a field can be set once, by itself or with its part. Received: {key} twice")
    node[last] = text


def _changed(part: Any, cls: type, tree: Mapping[str, Any], *, prefix: str) -> Any:
    """`part` (None: a new one of type `cls`) with the values of `tree`."""
    hints = hints_of(cls)
    values = {name: _value(part, name, given, hints, cls, prefix=prefix) for name, given in tree.items()}
    if part is not None:
        return replace(part, **_moot(part, values, prefix=prefix), **values)
    try:
        return cls(**values)
    except TypeError as missing:
        raise ValueError(f"{prefix[:-1]} is not there yet, and needs more fields to be made: {missing}") from missing


def _moot(part: Any, values: Mapping[str, Any], *, prefix: str) -> dict[str, Any]:
    """Defaults for what `part` said of a kind that `values` replace; what they say themselves must be read."""
    moot = unread(type(part), vars(part) | values)
    back = {name: default for name, default in moot.items() if name not in values}
    for name, default in back.items():
        logger.info("%s%s is read no more: back to %s", prefix, name, default)
    return back


def _value(part: Any, name: str, given: Any, hints: Mapping[str, Any], cls: type, *, prefix: str) -> Any:
    key = f"{prefix}{name}"
    if name not in hints:
        raise ValueError(_unknown(name, cls, prefix=prefix))
    kind = part_of(hints[name])
    if isinstance(given, dict):
        if kind is None:
            raise ValueError(f"{key} is a value, not a part with fields. Received: {key}.{next(iter(given))}")
        return _changed(getattr(part, name, None), kind, given, prefix=f"{key}.")
    try:
        return parse(given, hints[name])
    except ValueError as wrong:
        if kind is not None:
            raise ValueError(
                f"{key} is a part; set its fields, {_names(kind, prefix=f'{key}.')}. Received: {key}={given}"
            ) from wrong
        raise ValueError(f"{key} must be {describe(hints[name])}. Received: {key}={given}") from wrong


def _unknown(name: str, cls: type, *, prefix: str) -> str:
    everywhere = list(_keys(Recipe, prefix=""))
    near = difflib.get_close_matches(f"{prefix}{name}", everywhere, n=1, cutoff=0.0)
    # A field's own name in the wrong part, or in none, is a nearer miss than a similar one; so are initials (`lr`).
    same = [key for key in everywhere for own in [key.rpartition(".")[2]] if name in (own, _initials(own))]
    return (
        f"a recipe has no field {prefix}{name}; closest: {(same or near)[0]}. "
        f"There are: {_names(cls, prefix=prefix)}. Received: {prefix}{name}"
    )


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split("_"))


def _names(cls: type, *, prefix: str) -> str:
    return ", ".join(f"{prefix}{field.name}" for field in fields(cls))


def _keys(cls: type, *, prefix: str) -> Iterable[str]:
    for name, hint in hints_of(cls).items():
        kind = part_of(hint)
        yield from [f"{prefix}{name}"] if kind is None else _keys(kind, prefix=f"{prefix}{name}.")


def _differences(before: Any, after: Any, *, prefix: str) -> Iterable[str]:
    for field in fields(after):
        old, new = getattr(before, field.name, None), getattr(after, field.name)
        if is_dataclass(new):
            yield from _differences(old, new, prefix=f"{prefix}{field.name}.")
        elif old != new:
            yield f"{prefix}{field.name}"
