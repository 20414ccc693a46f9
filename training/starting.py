"""A recipe that goes on from a trained network of the user's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

import kres
from kres.model import stored_options
from kres.quantization import QuantizedResNet
from kres.training.settings import Recipe
from kres.training.workdir import MODEL, RUN, read_run
from kres.weights.files.keras_hdf5 import saved_config


def starting_from(recipe: Recipe, checkpoint: str | Path) -> Recipe:
    """`recipe` for the network, the weights and the preprocessing of a finished run's workdir or a `.keras` file.

    Any other file or folder of weights is for the network that the recipe names, which stays.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: the model is quantized already, no network of a row of the zoo or of colour images, or the run has
            not ended.
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
    # No model is made of it: workers set up TensorFlow before it computes anything.
    saved = saved_config(file)
    kind, config = keras.saving.get_registered_object(saved.get("registered_name")), saved["config"]
    kind = kind if isinstance(kind, type) else keras.Model
    if issubclass(kind, QuantizedResNet):
        raise ValueError(f"a checkpoint to start from must be of a float network. Received: a quantized one, {path}")
    if not issubclass(kind, kres.ResNet) or (run is None and not isinstance(config["network"], str)):
        raise ValueError(
            "a checkpoint to start from must be a run's, or a network of a row of the zoo. "
            f"Received: {path}, which holds a {saved.get('class_name')} called {config.get('name')}"
        )
    preprocess = kres.Preprocess(**config["preprocess"])
    if (channels := len(preprocess.mean)) != 3:
        received = f"one of {channels} channel(s), {path}"
        raise ValueError(
            f"a checkpoint to start from must take colour images, which training feeds. Received: {received}"
        )
    norm = stored_options(config)["norm"]
    network: dict[str, Any] = {"row": config["network"], "depths": (), "width": 1.0, "norm": norm}
    if run is not None:
        trained = Recipe.from_dict(run).network
        network = {name: getattr(trained, name) for name in network}
    size = preprocess.size
    images: dict[str, Any] = {"train_size_px": size, "test_size_px": size, "progressive_px": ()}
    images |= {name: getattr(preprocess, name) for name in ("crop", "mean", "std", "interpolation", "order")}
    return replace(
        recipe,
        network=replace(recipe.network, **network, weights=str(file)),
        images=replace(recipe.images, **images),
    )


def data_of(checkpoint: str | Path) -> str | None:
    """What a run's workdir says it was trained on; None for a file."""
    path = Path(checkpoint).expanduser()
    return read_run(path)["settings"]["data"]["source"] if (path / RUN).is_file() else None
