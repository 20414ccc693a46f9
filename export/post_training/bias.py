"""Bias correction: what quantization adds to the mean of each channel, measured on images, is taken off the bias.

Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction, arXiv 1906.04721, section 4.2
and appendix D (empirical).
"""

import logging
from typing import Any

import keras
import numpy as np

from kres.export.walking import walk

logger = logging.getLogger("kres")

# They run at once. Both networks see the same ones, so that the mean of what lies between them needs few.
MOST_IMAGES = 32


def correct_bias(twin: keras.Model, network: keras.Model, images: np.ndarray) -> int:
    """Correct the biases of a quantized twin in place on images (n, h, w, c), and give the number of layers.

    Front to back, each layer's bias loses the mean by which its output, a channel over images and positions, lies above
    that of `network`, the lowered float32 one, on the first 32 images: a layer is measured behind corrected ones.
    """
    inputs = images[:MOST_IMAGES]
    means: dict[str, np.ndarray] = {}

    def note(layer: Any, output: Any) -> Any:
        if _has_bias(layer):
            means[layer.name] = _channel_mean(output)
        return output

    walk(network, inputs, note)
    corrected = []

    def correct(layer: Any, output: Any) -> Any:
        if layer.name not in means:
            return output
        error = _channel_mean(output) - means[layer.name]
        layer.bias.assign(layer.bias - error)
        corrected.append(layer.name)
        return output - error

    walk(twin, inputs, correct)
    logger.info("%s: the biases of %d layers corrected.", network.name, len(corrected))
    return len(corrected)


def _has_bias(layer: Any) -> bool:
    return getattr(layer, "bias", None) is not None


def _channel_mean(output: Any) -> np.ndarray:
    output = keras.ops.convert_to_numpy(output)
    return output.mean(tuple(range(output.ndim - 1)), dtype=np.float64).astype(np.float32)
