"""What quantization loses in each layer, and the quantized network that it was measured on."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

EXACT_DB = 300.0
"""The signal-to-noise ratio of a layer without any difference; JSON has no infinity."""


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """How exact an artifact computes a layer: signal over noise against Keras in dB, 300 for no difference at all.

    `name` is what `keep_float` calls it, and `activation` the layer whose output is compared: the ReLU behind it where
    that is computed together with it. `snr_db` holds all that the layers before lost. Of int8 from calibration images
    there is more: the layer's `kind`, and `own_snr_db`, of the layer alone: what it computes from exact inputs, once
    these and its weights are rounded.
    """

    name: str
    snr_db: float
    kind: str = ""
    activation: str = ""
    own_snr_db: float | None = None


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """A quantized twin, the layers that stay in float32, and what each of the others loses, the worst first.

    `shortfall` says what was tried where it loses more than was allowed; it is the best of those trials then.
    """

    twin: keras.Model
    kept_float: tuple[str, ...]
    layers: tuple[LayerError, ...]
    shortfall: str = ""


def one_a_layer(errors: Sequence[LayerError]) -> list[LayerError]:
    """Leave of each layer where it loses most, the worst first."""
    found: dict[str, LayerError] = {}
    for error in worst_first(errors):
        found.setdefault(error.name, error)
    return list(found.values())


def worst_first(errors: Sequence[LayerError]) -> list[LayerError]:
    """Sort by what each layer loses by itself where that is known, else by what has been lost up to it."""
    return sorted(errors, key=lambda error: error.snr_db if error.own_snr_db is None else error.own_snr_db)


def decibels(signal: float, noise: float) -> float:
    """Give 10 log10(signal / noise), within 300 dB either way; -300 where the noise is not finite."""
    if not np.isfinite(noise) or (noise and not signal):
        return -EXACT_DB
    if not noise:
        return EXACT_DB
    return float(np.clip(10 * np.log10(signal / noise), -EXACT_DB, EXACT_DB))
