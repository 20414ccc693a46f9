"""How images reach the network of a recipe, and the weights that it starts from."""

import logging
from pathlib import Path

import numpy as np

from kres.preprocessing import Preprocess
from kres.training.settings import Images, Network, Recipe
from kres.training.settings.networks import network_spec
from kres.weights import find_weights
from kres.weights.files.keras_hdf5 import saved_config

logger = logging.getLogger(__name__)

NORMALISATION = ("order", "mean", "std")
ROUNDING = 0.01
"""Sources round means and deviations: by less than this share of them."""


def preprocess_of(images: Images, *, size_px: int | None = None) -> Preprocess:
    """How images of `size_px` reach a network; None: of the size of evaluation."""
    return Preprocess(
        size=size_px or images.test_size_px,
        crop=images.crop,
        mean=images.mean,
        std=images.std,
        interpolation=images.interpolation,
        order=images.order,
    )


def warn_of_other_normalisation(recipe: Recipe) -> None:
    """A line in the log where the weights that `recipe` starts from were trained on images in another normalisation."""
    theirs = _preprocess_of_weights(recipe.network)
    if theirs is None:
        return
    own = preprocess_of(recipe.images)
    different = [name for name in NORMALISATION if not _agree(getattr(own, name), getattr(theirs, name))]
    if different:
        logger.warning(
            "the weights %s were trained with other values than the recipe's of %s. To go on with theirs: %s",
            recipe.network.weights,
            ", ".join(f"images.{name}" for name in different),
            " ".join(f"--set images.{name}={_as_set(getattr(theirs, name))}" for name in different),
        )


def _preprocess_of_weights(network: Network) -> Preprocess | None:
    """How images reached the weights that a network starts from; None without any, or where they do not tell."""
    if network.weights is None:
        return None
    file = Path(network.weights).expanduser()
    if file.suffix == ".keras" and file.is_file():
        stored = saved_config(file)["config"].get("preprocess")
        return None if stored is None else Preprocess(**stored)
    return find_weights(network.weights, network_spec(network)).preprocess


def _agree(own: str | tuple[float, ...], theirs: str | tuple[float, ...]) -> bool:
    if isinstance(own, str) or isinstance(theirs, str):
        return own == theirs
    return np.allclose(own, theirs, rtol=ROUNDING)


def _as_set(value: str | tuple[float, ...]) -> str:
    return value if isinstance(value, str) else ",".join(f"{number:.4g}" for number in value)
