"""The trained model of a workdir."""

import re
from dataclasses import replace
from pathlib import Path

import keras
import tensorflow as tf

from kres.training.checkpoints import CheckpointError, Checkpoints, Which, check_which
from kres.training.models import with_softmax
from kres.training.plan import plan
from kres.training.settings import Recipe
from kres.training.state import State
from kres.training.workdir import CHECKPOINTS, MODEL, RUN, read_run


def load_model(path: str | Path, *, checkpoint: Which = "last") -> keras.Model:
    """The model of a workdir or of a `.keras` file.

    `checkpoint` says which of a run's models: the `last` (of a run that has not ended: its newest checkpoint), or the
    `best` by the test metric that its recipe names, weights averaged where the recipe averages them.

    Raises:
        ValueError: `path` is neither, is a file, which has no other model than its own, or holds layers that Keras does
            not know.
        CheckpointError: the run has no good checkpoint.
    """
    path, which = Path(path), check_which(checkpoint)
    file = path if path.is_file() and path.suffix == ".keras" else path / MODEL
    if which == "last" and file.is_file():
        return _loaded(file)
    if file == path:
        raise ValueError(f"only a workdir has checkpoints to choose from. Received: {path}, checkpoint={which!r}")
    if not (path / RUN).is_file():
        raise ValueError(f"a trained model is a workdir or a .keras file. Received: {path}")
    run = read_run(path)
    if not Checkpoints(path / CHECKPOINTS, tf.train.Checkpoint(), keep=1).candidates(which):
        raise CheckpointError(
            f"the run in {path} has no {which} checkpoint, and so no model yet (its state: {run['state']})."
        )
    settings = run["settings"]
    recipe = Recipe.from_dict(settings["recipe"])
    # The checkpoint holds all weights: those that training began with need not be fetched.
    recipe = replace(recipe, network=replace(recipe.network, weights=None))
    state = State(plan(recipe, settings["data"]["train_images"]), classes=settings["data"]["classes"])
    state.checkpoints(path, recipe).restore(which)
    with state.averaged():
        return with_softmax(state.model, recipe)


def _loaded(file: Path) -> keras.Model:
    try:
        return keras.saving.load_model(file, compile=False)
    except TypeError as error:
        unknown = re.search(r"Could not locate (?:class|function) ('[^']+')", str(error))
        if unknown is None:
            raise
        raise ValueError(
            "a model with layers of one's own is loaded in Python, where they are registered with "
            "keras.saving.register_keras_serializable, and handed to kres there. "
            f"Received: {file}, with {unknown[1]}, which is not known here"
        ) from error
