"""Post-training quantization: from a float32 network and calibration images to the twin that int8 is written from."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import keras
import numpy as np

from kres.export.edges import require_edges
from kres.export.formats import Tolerance
from kres.export.losses import EXACT_DB, Quantized
from kres.export.post_training.bias import correct_bias
from kres.export.post_training.calibration import Range, check_method, observed_ranges
from kres.export.post_training.equalization import equalized
from kres.export.post_training.layers import MOST_IMAGES, measured_errors
from kres.export.post_training.units import Units, match_layers
from kres.export.proof.comparison import in_images, measure, violations
from kres.export.proof.reports import Reference
from kres.export.walking import chunks
from kres.folding import folded
from kres.lowering import LoweredModel, lower
from kres.quantization import check_ranges, is_twin, quantized_twin, ranges, set_ranges

logger = logging.getLogger("kres")

# With more of the layers in float32 than this, a float16 file is as small and as fast.
MOST_FLOAT = 0.5
HALF = "where float16 is as small and as fast"


@dataclass(frozen=True, kw_only=True)
class PostTraining:
    """How activations get their ranges, what is done against the loss, and what stays in float32.

    `ranges` is "minmax", "percentile" (of `percentile`, in percent, by default 99.99) or "mse", as `collect_ranges`
    says. `equalize` and `correct_bias` are the two steps of Nagel et al. 2019. `keep_float` holds names of layers of
    the fused network, or patterns such as "stage4_*". With `max_drop`, in percentage points of top-1 on the
    verification images, the layers that lose most stay in float32 too, until that is met, at most half of all.

    Raises ValueError for a value that is not allowed.
    """

    ranges: str = "minmax"
    percentile: float | None = None
    equalize: bool = False
    correct_bias: bool = False
    keep_float: tuple[str, ...] = ()
    max_drop: float | None = None

    def __post_init__(self) -> None:
        check_method(self.ranges, self.percentile)
        Tolerance().allowing(self.max_drop)

    def given(self) -> list[str]:
        """Write the fields that are not as by default as `name=value`."""
        values = {row.name: getattr(self, row.name) for row in fields(self) if getattr(self, row.name) != row.default}
        words = {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return [f"{name}={value!r}" for name, value in words.items()]


class Goal(NamedTuple):
    """The model's answers on the images that a loss is measured on, and how far the file's may be from them."""

    expected: Reference
    tolerance: Tolerance


def quantize(
    model: keras.Model,
    images: np.ndarray,
    how: PostTraining,
    goal: Goal | None = None,
    *,
    fixed: Mapping[str, Range] | None = None,
    io: str = "float32",
) -> Quantized:
    """Quantize a float32 model after training, its ranges from calibration images (n, h, w, c) as the model takes them.

    With a `goal`, layers stay in float32 as `PostTraining` says of `max_drop`, until its tolerance is kept to. `fixed`
    are ranges of activations that are known without the images. `io` is the file's type of input and output: for
    integers, the layers that read and compute them stay in int8. Where no trial reaches the goal, the best one's
    `shortfall` says so.
    Raises ValueError for names of no layers, for such a layer among them and for activations that are not finite.
    """
    model = equalized(model) if how.equalize else folded(model)
    maker = _Maker(model, lower(model), images, how, dict(fixed or {}))
    quantized = maker.make(match_layers(how.keep_float, list(maker.lowered.parts)))
    require_edges(quantized.twin, io)
    return quantized if goal is None else _search(maker, quantized, goal, integer_edges=io != "float32")


def check_layers(model: keras.Model, how: PostTraining, io: str) -> None:
    """Raise what int8 raises for a twin without ranges, names of no layers, and layers that must be int8 for `io`.

    All that can be told of a model without images, and so before the long work; arguments as in `quantize`.
    """
    if is_twin(model):
        check_ranges(model)
        require_edges(model, io)
    elif how.keep_float or io != "float32":
        model = folded(model)
        kept = match_layers(how.keep_float, list(lower(model).parts))
        require_edges(quantized_twin(model, keep_float=kept), io)


@dataclass(frozen=True)
class _Maker:
    """Twins of one folded model that differ in the layers that stay in float32."""

    model: keras.Model
    lowered: LoweredModel
    images: np.ndarray
    how: PostTraining
    found: dict[str, Range] = field(default_factory=dict)

    def make(self, kept: Sequence[str]) -> Quantized:
        twin = quantized_twin(self.model, keep_float=kept)
        names = list(ranges(twin))
        # Layers in float32 can move the points that are rounded, so each twin says itself what it needs.
        if missing := [name for name in names if name not in self.found]:
            network, method, percentile = self.lowered.model, self.how.ranges, self.how.percentile
            self.found.update(observed_ranges(network, self.images, missing, method, percentile=percentile))
        set_ranges(twin, {name: self.found[name] for name in names})
        if self.how.correct_bias:
            correct_bias(twin, self.lowered.model, self.images)
        layers = measured_errors(self.lowered, twin, self.images[:MOST_IMAGES])
        return Quantized(twin=twin, kept_float=tuple(kept), layers=tuple(layers))


def _search(maker: _Maker, first: Quantized, goal: Goal, *, integer_edges: bool) -> Quantized:
    """Give the first trial that keeps to the tolerance, or the one that loses least, with what was tried."""
    units, (expected, tolerance) = Units(maker.lowered), goal
    n, labels = len(expected.images), expected.labels is not None
    sets, end = _growing(first, units, units.edges() if integer_edges else set())
    best, least = first, (math.inf, math.inf)
    for kept in (None, *sets):
        quantized = first if kept is None else maker.make([name for name in maker.lowered.parts if name in kept])
        measured = _measured(quantized.twin, expected, tolerance)
        names = ", ".join(quantized.kept_float) or "none"
        told = _share(quantized, units), names, in_images(measured["lost"], labels=labels), f"{n:,}"
        logger.info("with %s layers in float32 (%s) top-1 loses %s of %s images", *told)
        if not violations(measured, tolerance, n, labels=labels):
            return quantized
        if (loss := (measured["lost"], -measured["cosine"])) < least:
            best, least = quantized, loss
    which = f"the best of {len(sets) + 1} trials" if sets else "the only trial"
    return replace(best, shortfall=f"This is {which}, with {_share(best, units)} layers in float32. {end}")


def _growing(first: Quantized, units: Units, spared: set[str]) -> tuple[list[set[str]], str]:
    """Give sets of layers to have in float32, each within the next, and say why the last is the last.

    They are those around the worst layer of the first twin, the worst two, four and so on, at last all that fit into
    half; a layer that does not fit with what goes with it is passed over.
    """
    every = units.layers()
    most = int(MOST_FLOAT * len(every))
    losing = dict.fromkeys(error.name for error in first.layers if (error.own_snr_db or 0.0) < EXACT_DB)
    wanted = {name: units.around(name) - spared for name in losing if name not in spared}
    grown = [set(first.kept_float)]
    for around in wanted.values():
        more = grown[-1] | around
        if more != grown[-1] and len(more & every) <= most:
            grown.append(more)
    last = len(grown) - 1
    places = sorted({*(2**power for power in range(last.bit_length())), last} - {0})
    return [grown[place] for place in places], _end(grown[-1], wanted, every, most)


def _end(last: set[str], wanted: Mapping[str, set[str]], every: set[str], most: int) -> str:
    """Say why no more layers than the `last` set may be in float32: of those `wanted`, which is the next."""
    kept = len(last & every)
    if kept > most:
        return f"More than half were to be from the start, {HALF}, and no others were tried"
    over = {name: len((last | around) & every) for name, around in wanted.items() if not around <= last}
    if not over:
        return "No other layer that may be in float32 loses anything"
    name, count = next(iter(over.items()))
    return (
        f"At most half may be, {HALF}: {name}, the next, and what goes with it would turn the {kept} tried into {count}"
    )


def _share(quantized: Quantized, units: Units) -> str:
    every = units.layers()
    return f"{len(every.intersection(quantized.kept_float))} of {len(every)}"


def _measured(twin: keras.Model, expected: Reference, tolerance: Tolerance) -> dict[str, Any]:
    """How far the twin's answers are from what is expected."""
    outputs = np.concatenate([twin(block, training=False) for block in chunks(twin, expected.images)])
    return measure(expected, outputs, logits=tolerance.logits)
