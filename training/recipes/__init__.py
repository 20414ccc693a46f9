"""Published training runs by name: one file a recipe, each with paper, command, hardware and expected score."""

import difflib
import pkgutil
from importlib import import_module

from kres.training.settings import Recipe

__all__ = ["list_recipes", "recipe"]


def list_recipes() -> list[str]:
    """Names of all recipes, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def recipe(name: str) -> Recipe:
    """The recipe called `name`; ValueError names the closest ones when there is none."""
    names = list_recipes()
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3) or names
        raise ValueError(f"a recipe must be one of {', '.join(names)}; closest: {', '.join(close)}. Received: {name!r}")
    return import_module(f"{__name__}.{name}").RECIPE
