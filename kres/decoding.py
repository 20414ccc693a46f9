"""From a classifier's answers to names of classes."""

import functools
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import keras
import numpy as np

_IMAGENET = "imagenet_classes.tsv"
"""WordNet id and name of each class of ILSVRC 2012, sorted by id: the order in which every published network has them.

The names are WordNet's first lemmas, as in keras.applications' imagenet_class_index.json."""


def decode_predictions(
    predictions: Any, top: int = 5, *, labels: Sequence[str] | None = None
) -> list[list[tuple[str, str, float]]]:
    """The `top` best classes an image, the best first: (WordNet id, name, score), as keras.applications gives them.

    Args:
        predictions: scores (n, classes), an array or a tensor; of ImageNet-1k's 1000 classes unless `labels` names
            others.
        top: how many classes an image.
        labels: the classes' names, in the network's order; each then stands for its id as well.

    Raises:
        ValueError: another shape, another number of classes than there are labels, `top` outside 1..classes, or scores
            that are not finite.
    """
    classes = imagenet_classes() if labels is None else [(str(label), str(label)) for label in labels]
    scores = _checked(predictions, classes=len(classes), of_imagenet=labels is None)
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or not 1 <= top <= len(classes):
        raise ValueError(f"`top` is an integer in 1..{len(classes)}, the number of classes. Received: top={top!r}")
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :top]
    return [[(*classes[c], float(row[c])) for c in order] for row, order in zip(scores, best, strict=True)]


@functools.cache
def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """WordNet id and name of ImageNet-1k's classes, in the order of a network's outputs."""
    lines = files("kres").joinpath(_IMAGENET).read_text(encoding="utf-8").splitlines()
    return tuple((wnid, name) for wnid, _, name in (line.partition("\t") for line in lines))


def _checked(predictions: Any, *, classes: int, of_imagenet: bool) -> np.ndarray:
    """`predictions` as float64 (n, classes)."""
    try:
        scores = np.asarray(keras.ops.convert_to_numpy(predictions)).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`predictions` is an array or a tensor of numbers. Received: {type(predictions).__name__}"
        ) from error
    if scores.ndim != 2:
        raise ValueError(
            "`predictions` is (n, classes): scores of n images; of a single image, predictions[None]. "
            f"Received: predictions of shape {scores.shape}"
        )
    if scores.shape[1] != classes:
        known = (
            f"Only ImageNet-1k's {classes} classes are known here: give the names of others as `labels`"
            if of_imagenet
            else f"`labels` names {classes} classes, one each, in the network's order"
        )
        raise ValueError(f"{known}. Received: predictions of shape {scores.shape}")
    if not np.isfinite(scores).all():
        image = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise ValueError(
            f"scores must be finite. Received: predictions[{image}] with NaN or infinity: "
            "look for it in the weights and in the images"
        )
    return scores
