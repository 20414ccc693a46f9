"""Recipes, data, optimisation, checkpoints and evaluation: everything from images to a trained model."""

if __name__ != "kres.training":
    raise ImportError(f"this package is imported as kres.training, not as {__name__}")

from kres.training import data
from kres.training.checkpoints import CheckpointError
from kres.training.degradation_problem import Degradation, degradation
from kres.training.evaluation import Evaluation, evaluate
from kres.training.fitting import Result, fit
from kres.training.layerwise import layer_gradients, layer_responses
from kres.training.loading import load_model
from kres.training.logs import LogError, LogRow, read_history
from kres.training.loop import NotFinite
from kres.training.recipes import list_recipes, recipe
from kres.training.settings import Recipe
from kres.training.signals import Interrupted
from kres.training.starting import starting_from
from kres.training.workdir import WorkdirError

__all__ = [
    "CheckpointError",
    "Degradation",
    "Evaluation",
    "Interrupted",
    "LogError",
    "LogRow",
    "NotFinite",
    "Recipe",
    "Result",
    "WorkdirError",
    "data",
    "degradation",
    "evaluate",
    "fit",
    "layer_gradients",
    "layer_responses",
    "list_recipes",
    "load_model",
    "read_history",
    "recipe",
    "starting_from",
]
