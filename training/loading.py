"""The trained model of a workdir."""

from pathlib import Path

import keras

from kres.training.checkpoints import CheckpointError
from kres.training.models import with_softmax
from kres.training.plan import plan
from kres.training.settings import Recipe
from kres.training.state import State
from kres.training.workdir import MODEL, RUN, read_run


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
    state = State(plan(recipe, settings["data"]["train_images"]), classes=settings["data"]["classes"])
    if state.checkpoints(path, recipe).restore() is None:
        raise CheckpointError(f"the run in {path} has no checkpoint yet.")
    with state.averaged():
        return with_softmax(state.model, recipe)
