"""How a network is trained for int8."""

from dataclasses import dataclass
from typing import Literal

from kres.training.settings.parts.base import Part
from kres.training.settings.values import Count


@dataclass(frozen=True, kw_only=True)
class Quantization(Part):
    """Training of the network's fake-quantized twin, batch norms folded, whose export to int8 needs no calibration."""

    weight_bits: Literal[4, 8] = 8
    """Of kernels; activations have 8."""
    ranges: Literal["moving_average", "learned"] = "moving_average"
    """How the activations' ranges go on from those of the first images: after the batches' extremes (Jacob et al. 2018,
    arXiv 1712.05877, section 3.1), or by gradient (Esser et al. 2020, arXiv 1902.08153)."""
    calibration_images: Count = 256
    """Training images whose activations' extremes the ranges start from."""
    keep_float: tuple[str, ...] = ()
    """Layers of the fused network that are not quantized."""
