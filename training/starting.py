"""A recipe that goes on from a trained network of the user's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import kres
from kres.quantization import is_twin
from kres.training.loading import load_model
from kres.training.settings import Recipe
from kres.training.workdir import MODEL, RUN, read_run


def starting_from(recipe: Recipe, checkpoint: str | Path) -> Recipe:
    """`recipe` for the network, the weights and the preprocessing of a finished run's workdir or a `.keras` file.

    Any other file or folder of weights is for the network that the recipe names, which stays.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: the model is quantized already, no network of a row of the zoo or of RGB images, or the run has not
            ended.
    """
    path = Path(checkpoint).expanduser().resolve()
    if not path.exists():
        raise FileNotFoundError(f"no such checkpoint: a workdir, a .keras file or one of weights. Received: {path}")
    run = read_run(path)["settings"]["recipe"] if (path / RUN).is_file() else None
    file = path / MODEL if run else path
    if file.suffix != ".keras":
        return replace(recipe, network=replace(recipe.network, weights=str(path)))
    if not file.is_file():
        raise ValueError(f"a run to start from must have ended: go on with it by --resume. Received: {path}")
    model = load_model(file)
    if is_twin(model):
        raise ValueError(f"a checkpoint to start from must be of a float network. Received: a quantized one, {path}")
    if not isinstance(model, kres.ResNet) or (run is None and not isinstance(model.network, str)):
        raise ValueError(
            "a checkpoint to start from must be a run's, or a network of a row of the zoo. "
            f"Received: {path}, which holds a {type(model).__name__} called {model.name}"
        )
    if model.preprocess.order != "rgb" or model.inputs[0].shape[-1] != 3:
        received = f"{model.inputs[0].shape[-1]} channels in {model.preprocess.order.upper()} order, in {path}"
        raise ValueError(f"a checkpoint to start from must take RGB images, which training feeds. Received: {received}")
    network: dict[str, Any] = {"row": model.network, "depths": (), "width": 1.0, "norm": model.options["norm"]}
    if run is not None:
        trained = Recipe.from_dict(run).network
        network = {name: getattr(trained, name) for name in network}
    size = model.preprocess.size
    images: dict[str, Any] = {"train_size_px": size, "test_size_px": size, "progressive_px": ()}
    images |= {name: getattr(model.preprocess, name) for name in ("crop", "mean", "std", "interpolation")}
    return replace(
        recipe,
        network=replace(recipe.network, **network, weights=str(file)),
        images=replace(recipe.images, **images),
    )


def data_of(checkpoint: str | Path) -> str | None:
    """What a run's workdir says it was trained on; None for a file."""
    path = Path(checkpoint).expanduser()
    return read_run(path)["settings"]["data"]["source"] if (path / RUN).is_file() else None
