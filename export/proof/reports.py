"""What an export is compared with and what a comparison found, as plain values that are written as JSON."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kres.export.formats import Tolerance
from kres.export.losses import LayerError
from kres.preprocessing import Preprocess


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the Keras model answers: images (n, h, w, c), labels (n,) or None, outputs (n, ...).

    A model of several outputs has the first by name there and the rest in `others`. `preprocess` is how grey levels
    became those images, where it is known.
    """

    images: np.ndarray
    labels: np.ndarray | None
    outputs: np.ndarray
    others: tuple[np.ndarray, ...] = ()
    preprocess: Preprocess | None = None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one runtime answers to the reference's images: each output (n, ...), or the error that it gave instead."""

    runtime: str
    outputs: tuple[np.ndarray, ...] = ()
    error: str = ""


class Change(NamedTuple):
    """An image, by its place in the reference, to which the artifact gives another class than the Keras model."""

    image: int
    keras: int
    artifact: int


@dataclass(frozen=True, kw_only=True)
class RuntimeReport:
    """What of a Report holds for one runtime alone; `apart` is how far its outputs are from each runtime's, in order.

    A distance of zero means equal bit for bit: to itself, and to a runtime that computes the same.
    """

    runtime: str
    passed: bool
    reason: str
    agreement: float | None = None
    max_difference: float | None = None
    mean_difference: float | None = None
    cosine: float | None = None
    top1: float | None = None
    apart: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of a verification; differences are in units of the largest logit (of the largest output in int8).

    `agreement` is the share of images with the same top-1, `changed` holds the others, `lost` is the number of images
    that top-1 loses: counted where there are labels, else expected by the Keras model's own probabilities. What could
    not be measured is None. Of several outputs it has the largest difference, the mean one and the least cosine, and no
    top-1.

    `path` and `size_bytes` are None where no file could be made.

    `runtimes` has a row for each runtime that a TFLite file was run in: the figures above are the first one's that it
    runs in, and it has passed if it has in all of them. `layers` holds the layers' errors where they were measured,
    `kept_float` the layers that int8 leaves in float32.
    """

    path: str | None
    format: str
    n: int
    passed: bool
    reason: str
    tolerance: Tolerance
    size_bytes: int | None
    agreement: float | None = None
    max_difference: float | None = None
    mean_difference: float | None = None
    cosine: float | None = None
    lost: float | None = None
    top1: float | None = None
    top1_keras: float | None = None
    changed: tuple[Change, ...] = ()
    runtimes: tuple[RuntimeReport, ...] = ()
    layers: tuple[LayerError, ...] = ()
    kept_float: tuple[str, ...] = ()
