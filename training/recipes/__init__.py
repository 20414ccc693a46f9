"""Published training runs by name: one file a recipe, each with paper, hardware and expected score."""

import pkgutil
from importlib import import_module

from kres.lookup import look_up
from kres.training.settings.recipe import Recipe

__all__ = ["Recipe", "list_recipes", "recipe"]


def list_recipes() -> list[str]:
    """Names of all recipes, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def recipe(name: str) -> Recipe:
    """The recipe called `name`; ValueError names the closest ones when there is none."""
    table = {known: f"{__name__}.{known}" for known in list_recipes()}
    return import_module(look_up(table, name, what="recipe", listing="kres list --recipes")).RECIPE
