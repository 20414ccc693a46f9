"""The ranges of a network's activations on calibration images, which post-training quantization divides into steps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kres.choices import check_choice
from kres.export.defaults import PERCENTILE
from kres.export.images import Images, collect
from kres.export.walking import chunks, walk
from kres.lowering import lower
from kres.quantization import activation_points

Range = tuple[float, float]

BINS = 8192
LEVELS = 256
SHARES = np.linspace(0.02, 1, 99)
"""Of its extreme, where `mse` looks for an end of a range."""


@dataclass(frozen=True)
class Histogram:
    """How often the values of a tensor lie nearest to each multiple of `width`, from `first` times `width` on.

    Zero is the middle of a bin: a rectifier puts much of its output there, and quantization leaves that exact.
    """

    first: int
    width: float
    counts: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """The bins' middles (b,)."""
        return (self.first + np.arange(len(self.counts))) * self.width


def collect_ranges(
    model: keras.Model,
    images: Images,
    method: str = "minmax",
    *,
    percentile: float | None = None,
    points: Iterable[str] | None = None,
) -> dict[str, Range]:
    """Give the range of each activation that TFLite quantizes: {layer: (low, high)}, zero always within.

    `model` is a float32 model, folded or not, `images` are normalised, as it takes them. `minmax` holds every value
    that was seen. `percentile` leaves out the rarest ones at both ends, a share of (100 - percentile) / 100 at each,
    by default 99.99.
    `mse` is the range whose 256 steps have the least mean squared error on the values seen, clipping included, of
    shrunken min-max ranges. Both count values in 8,192 bins in a second pass, to half a bin's precision.
    `points` are the layers to look at, by default what `kres.quantization.activation_points` gives.
    Memory holds a few layers' activations of at most 64 images at a time, whatever the depth and the number of images.

    Raises ValueError for a method that there is not, a percentile outside 50..100, images that cannot be, and what
    `kres.quantization.activation_points` raises it for.
    """
    check_method(method, percentile)
    inputs, _ = collect(images, tuple(model.inputs[0].shape[1:]))
    names = activation_points(model) if points is None else points
    return observed_ranges(lower(model).model, inputs, names, method, percentile=percentile)


def observed_ranges(
    network: keras.Model, images: np.ndarray, points: Iterable[str], method: str, *, percentile: float | None = None
) -> dict[str, Range]:
    """Give the ranges of a lowered network's layers; see `collect_ranges`."""
    ranges = _extremes(network, images, points)
    if method == "minmax":
        return ranges
    histograms = _histograms(network, images, ranges)
    share = PERCENTILE if percentile is None else percentile
    return {name: METHODS[method](histograms[name], ranges[name], share) for name in ranges}


def check_method(method: str, percentile: float | None = None) -> str:
    """Give the method back, or raise ValueError that names those there are, or what `percentile` goes with."""
    check_choice(method, "ranges", METHODS)
    if percentile is None:
        return method
    if method != "percentile":
        raise ValueError(
            f"percentile goes with ranges='percentile'. Received: percentile={percentile}, ranges={method!r}"
        )
    if not 50 < percentile <= 100:
        raise ValueError(f"percentile must lie above 50, and at 100 at most. Received: percentile={percentile}")
    return method


def _extremes(model: keras.Model, images: np.ndarray, names: Iterable[str]) -> dict[str, Range]:
    found: dict[str, Range] = dict.fromkeys(names, (0.0, 0.0))
    if other := set(found) - {operation.name for operation in model.operations}:
        raise ValueError(f"points must be layers of the network. Received: {min(other)!r}")

    def visit(layer: Any, output: Any) -> Any:
        if layer.name in found:
            low, high = found[layer.name]
            found[layer.name] = min(low, float(keras.ops.min(output))), max(high, float(keras.ops.max(output)))
        return output

    for block in chunks(model, images):
        walk(model, block, visit)
    if broken := [name for name, bounds in found.items() if not np.isfinite(bounds).all()]:
        raise ValueError(
            f"activations must be finite on every calibration image. Received: NaN or infinity in {broken[0]}"
        )
    return found


def _histograms(model: keras.Model, images: np.ndarray, ranges: dict[str, Range]) -> dict[str, Histogram]:
    found = {name: _empty(bounds) for name, bounds in ranges.items()}

    def visit(layer: Any, output: Any) -> Any:
        if layer.name in found:
            histogram = found[layer.name]
            histogram.counts[:] += _counts(output, histogram)
        return output

    for block in chunks(model, images):
        walk(model, block, visit)
    return found


def _empty(bounds: Range) -> Histogram:
    low, high = bounds
    width = max(high - low, float(np.finfo(np.float32).tiny)) / (BINS - 2)
    return Histogram(round(low / width), width, np.zeros(BINS, np.int64))


def _counts(output: Any, histogram: Histogram) -> np.ndarray:
    index = keras.ops.cast(keras.ops.round(output / histogram.width), "int32") - histogram.first
    index = keras.ops.reshape(keras.ops.clip(index, 0, BINS - 1), (-1,))
    return keras.ops.convert_to_numpy(keras.ops.bincount(index, minlength=BINS))


def _minmax(histogram: Histogram, bounds: Range, percentile: float) -> Range:
    return bounds


def _percentile(histogram: Histogram, bounds: Range, percentile: float) -> Range:
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    low = histogram.values[np.searchsorted(shares, 1 - percentile / 100)]
    high = histogram.values[np.searchsorted(shares, percentile / 100)]
    return max(bounds[0], min(0.0, float(low))), min(bounds[1], max(0.0, float(high)))


def _least_error(histogram: Histogram, bounds: Range, percentile: float) -> Range:
    """Search both ends in turn, each at shares of its own extreme, until neither moves."""
    filled = histogram.counts > 0
    values, counts = histogram.values[filled], histogram.counts[filled]

    def error(candidate: Range) -> float:
        return squared_error(values, counts, candidate)

    lows, highs = (sorted({float(share * bound) for share in SHARES}) for bound in bounds)
    best, before = bounds, None
    while best != before:
        before = best
        best = min(((best[0], high) for high in highs), key=error)
        best = min(((low, best[1]) for low in lows), key=error)
        if error(best) >= error(before):
            return before
    return best


METHODS: dict[str, Callable[[Histogram, Range, float], Range]] = {
    "minmax": _minmax,
    "percentile": _percentile,
    "mse": _least_error,
}


def squared_error(values: np.ndarray, counts: np.ndarray, bounds: Range, levels: int = LEVELS) -> float:
    """Give the summed squared error of rounding values (b,) that are there `counts` (b,) times to steps of a range."""
    low, high = bounds
    scale = (high - low) / (levels - 1)
    if not scale > 0:
        return float((counts * values**2).sum())
    # The converter moves the range a little, so that a step falls on zero.
    zero = np.round(-low / scale)
    steps = np.clip(np.round(values / scale) + zero, 0, levels - 1)
    return float((counts * (values - (steps - zero) * scale) ** 2).sum())
