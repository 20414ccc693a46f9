"""The network of a recipe, and the trained one of a workdir."""

from pathlib import Path

import keras
import tensorflow as tf

import kres
from kres.preprocessing import Preprocess
from kres.training.checkpoints import CheckpointError, Checkpoints
from kres.training.optimisation import SGD, RateSchedule
from kres.training.recipes import Recipe
from kres.training.workdir import MODEL, RUN, read_run


def preprocess_of(recipe: Recipe) -> Preprocess:
    """How images reach the network of `recipe`."""
    return Preprocess(
        size=recipe.image_size_px,
        crop=recipe.crop,
        mean=recipe.mean,
        std=recipe.std,
        interpolation=recipe.interpolation,
    )


def build_model(recipe: Recipe, *, classes: int, activation: str | None) -> keras.Model:
    """A fresh network of `recipe`; without `activation` it puts out logits (n, classes), which training needs."""
    return kres.build(
        recipe.model,
        classes=classes,
        input_shape=(recipe.image_size_px, recipe.image_size_px, 3),
        classifier_activation=activation,
        zero_init_residual=recipe.zero_init_residual,
        preprocess=preprocess_of(recipe),
        dtype=recipe.compute_dtype,
    )


def build_optimizer(recipe: Recipe, variables: list[keras.Variable]) -> SGD:
    """The optimizer of `recipe` with its variables made: made inside the traced step they cost a second trace."""
    schedule = RateSchedule(
        "step",
        recipe.learning_rate,
        steps=recipe.steps,
        warmup_steps=min(recipe.warmup_steps, recipe.steps - 1),
        warmup_learning_rate=recipe.warmup_learning_rate,
        decay_at_steps=recipe.decay_at_steps,
        decay_factor=recipe.decay_factor,
    )
    optimizer = SGD(schedule, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    optimizer.build(variables)
    return optimizer


def with_softmax(model: keras.Model, recipe: Recipe) -> keras.Model:
    """A copy of a model of logits that ends in probabilities."""
    final = build_model(recipe, classes=model.output_shape[-1], activation="softmax")
    final.set_weights(model.get_weights())
    return final


def load_model(path: str | Path) -> keras.Model:
    """The model of a workdir (of a run that has not ended: its newest checkpoint) or of a `.keras` file.

    Raises ValueError when `path` is neither and CheckpointError when the run has no good checkpoint.
    """
    path = Path(path)
    if path.is_file() and path.suffix == ".keras":
        return keras.saving.load_model(path, compile=False)
    if (path / MODEL).is_file():
        return keras.saving.load_model(path / MODEL, compile=False)
    if not (path / RUN).is_file():
        raise ValueError(f"a trained model is a workdir or a .keras file. Received: {path}")
    settings = read_run(path)["settings"]
    recipe = Recipe.from_dict(settings["recipe"])
    model = build_model(recipe, classes=settings["data"]["classes"], activation=None)
    tracked = tf.train.Checkpoint(model=model, optimizer=build_optimizer(recipe, model.trainable_variables))
    if Checkpoints(path / "checkpoints", tracked, keep=recipe.keep_checkpoints).restore() is None:
        raise CheckpointError(f"the run in {path} has no checkpoint yet.")
    return with_softmax(model, recipe)
