"""Whether images can stand for what a network will see: enough of them, not all alike, scaled as it takes them."""

import logging
from typing import Any

import keras
import numpy as np

logger = logging.getLogger("kres")

FEWEST_IMAGES = 16
"""Below this the ranges are those of the images and not of the network's activations."""
ENOUGH_IMAGES = 100
"""TensorFlow's guide to post-training quantization names 100 to 500."""

# The input of a network that scales pixels itself says nothing about the scale of the rest.
_SCALING = ("Rescaling", "Normalization", "PreprocessLayer")
# Photographs span most of the grey levels, and no crop or resize with overshoot leaves them by this much.
_LEAST_SHARE, _MOST_SHARE = 0.1, 3.0


def check_representative(images: np.ndarray, model: keras.Model) -> None:
    """Raise ValueError for calibration images (n, h, w, c) that are too few or all alike; warn of what looks wrong.

    Warned of, in the log: fewer than 100 images, and values that `model.preprocess` does not give. A network that does
    not say what it takes is warned of for whole numbers of 0..255 alone, unless a layer of its own scales them.
    """
    if len(images) < FEWEST_IMAGES:
        raise ValueError(
            f"calibration needs at least {FEWEST_IMAGES} images, and better {ENOUGH_IMAGES} or more. "
            f"Received: {len(images)}"
        )
    first = images[0]
    if all(np.array_equal(image, first) for image in images[1:]):
        raise ValueError(f"calibration images must differ. Received: {len(images)} times the same one")
    flat = sum(float(np.ptp(image, axis=(0, 1)).max()) == 0 for image in images)
    if flat == len(images):
        raise ValueError(f"calibration images must show something. Received: {flat} images of one colour each")
    if len(images) < ENOUGH_IMAGES:
        logger.warning(
            "%d calibration images are few: the ranges of activations may be too narrow. Give %d or more",
            len(images),
            ENOUGH_IMAGES,
        )
    if flat:
        logger.warning("%d of %d calibration images are of one colour each", flat, len(images))
    if wrong := wrong_scale(images, model):
        logger.warning("calibration images look wrongly scaled: %s. Give them as model.preprocess does", wrong)


def wrong_scale(images: np.ndarray, model: keras.Model) -> str:
    """Say in words how the values of images (n, h, w, c) differ from what `model` takes; empty where they do not."""
    low, high = float(images.min()), float(images.max())
    given = f"they span {low:.3g} to {high:.3g}"
    preprocess = getattr(model, "preprocess", None)
    if preprocess is None:
        raw = low >= 0 and high > 1.5 and high <= 255 and bool((images == np.round(images)).all())
        return (
            f"{given} in whole numbers, and no layer of the model scales pixels" if raw and not _scales(model) else ""
        )
    least, most = _expected(preprocess)
    expected = f"{given} where pixels of 0..255 become {least:.3g} to {most:.3g}"
    span = most - least
    share = (high - low) / span
    # Black pixels, it seems, and yet no mean has been taken off them.
    unshifted = least < -0.1 * span and 0 <= low < 0.1 * span
    return expected if unshifted or not _LEAST_SHARE <= share <= _MOST_SHARE else ""


def _expected(preprocess: Any) -> tuple[float, float]:
    """What the darkest and the brightest pixel become, over all channels."""
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    return float((0.0 - mean / std).min()), float(((1 - mean) / std).max())


def _scales(model: keras.Model) -> bool:
    return any(type(layer).__name__ in _SCALING for layer in model.layers)
