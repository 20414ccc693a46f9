"""Post-training quantization: from a float32 network and calibration images to the twin that int8 is written from."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import keras
import numpy as np

from kres.export.edges import require_edges
from kres.export.formats import RETRY_INT8, Tolerance
from kres.export.losses import EXACT_DB, Quantized
from kres.export.post_training.bias import correct_bias
from kres.export.post_training.calibration import Range, check_method, observed_ranges
from kres.export.post_training.equalization import equalized
from kres.export.post_training.layers import MOST_IMAGES, measured_errors
from kres.export.post_training.units import Units, match_layers
from kres.export.proof.comparison import measure, violations
from kres.export.proof.reports import Reference
from kres.export.walking import chunks
from kres.folding import folded
from kres.lowering import LoweredModel, lower
from kres.quantization import check_ranges, is_twin, quantized_twin, ranges, set_ranges

logger = logging.getLogger("kres")

# With more of the layers in float32 than this, a float16 file is as small and as fast.
MOST_FLOAT = 0.5


@dataclass(frozen=True, kw_only=True)
class PostTraining:
    """How activations get their ranges, what is done against the loss, and what stays in float32.

    `ranges` is "minmax", "percentile" (of `percentile`, in percent, by default 99.99) or "mse", as `collect_ranges`
    says. `equalize` and `correct_bias` are the two steps of Nagel et al. 2019. `keep_float` holds names of layers of
    the fused network, or patterns such as "stage4_*". With `max_drop`, in percentage points of top-1 on the
    verification images, the layers that lose most stay in float32 too, until that is met.

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
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise ValueError(f"max_drop must lie in 0..100 percentage points. Received: max_drop={self.max_drop}")

    def given(self) -> list[str]:
        """Write the fields that are not as by default as `name=value`."""
        values = {row.name: getattr(self, row.name) for row in fields(self) if getattr(self, row.name) != row.default}
        words = {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return [f"{name}={value!r}" for name, value in words.items()]


class GaveUpError(RuntimeError):
    """No twin was found that loses as little as `max_drop` allows."""


def quantize(
    model: keras.Model,
    images: np.ndarray,
    how: PostTraining,
    expected: Reference | None = None,
    *,
    fixed: Mapping[str, Range] | None = None,
    io: str = "float32",
) -> Quantized:
    """Quantize a float32 model after training, its ranges from calibration images (n, h, w, c) as the model takes them.

    `expected` are the model's answers on the images that `max_drop` is measured on, `fixed` ranges of activations that
    are known without the images. `io` is the file's type of input and output: for integers, the layers that read and
    compute them stay in int8. Raises ValueError for names of no layers, for such a layer among them and for activations
    that are not finite, GaveUpError where half of the layers in float32 still lose more than `max_drop`.
    """
    model = equalized(model) if how.equalize else folded(model)
    maker = _Maker(model, lower(model), images, how, dict(fixed or {}))
    quantized = maker.make(match_layers(how.keep_float, list(maker.lowered.parts)))
    require_edges(quantized.twin, io)
    if how.max_drop is None or expected is None:
        return quantized
    tolerance = Tolerance(drop=how.max_drop / 100, logits=False)
    return _search(maker, quantized, expected, tolerance, integer_edges=io != "float32")


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


def _search(
    maker: _Maker, first: Quantized, expected: Reference, tolerance: Tolerance, *, integer_edges: bool
) -> Quantized:
    """Let the worst layer of the first twin compute in float32, then the worst two, four and so on."""
    units = Units(maker.lowered)
    edges = units.edges() if integer_edges else set()
    losing = dict.fromkeys(error.name for error in first.layers if (error.own_snr_db or 0.0) < EXACT_DB)
    worst = [name for name in losing if name not in edges]
    most = int(MOST_FLOAT * len(units.layers()))
    quantized, count, kept = first, 1, set(first.kept_float)
    while broken := _broken(quantized.twin, expected, tolerance):
        more = kept | (set().union(*(units.around(name) for name in worst[:count])) - edges)
        if len(more) > most or more == kept:
            raise GaveUpError(
                f"int8 still loses too much with {len(kept)} of {len(units.layers())} layers in float32, and "
                f"{most} at most: {broken}. Try {RETRY_INT8}"
            )
        kept, count = more, 2 * count
        quantized = maker.make([name for name in maker.lowered.parts if name in kept])
        logger.info("%d layers stay in float32: %s", len(kept), ", ".join(quantized.kept_float))
    return quantized


def _broken(twin: keras.Model, expected: Reference, tolerance: Tolerance) -> str:
    """What the twin's answers break of the tolerance, in words."""
    outputs = np.concatenate([twin(block, training=False) for block in chunks(twin, expected.images)])
    measured = measure(expected, outputs, logits=tolerance.logits)
    return "; ".join(violations(measured, tolerance, len(outputs), labels=expected.labels is not None))
