"""Fake quantization on TensorFlow by its own ops, which the TFLite converter reads as quantization parameters."""

from typing import Any

import tensorflow as tf


def fake_quantize(inputs: Any, low: Any, high: Any, *, per_channel: bool = False, narrow: bool = False) -> tf.Tensor:
    """Round `inputs` to 256 steps between `low` and `high`, shifted so that 0 is one of them; in `narrow`, 255 steps.

    The bounds, `low` <= 0 <= `high`, are () or, with `per_channel`, one a channel of the last axis, (c,). The gradient
    passes where the input lies between them, and goes to the nearer bound where it does not.
    """
    quantize = tf.quantization.fake_quant_with_min_max_vars
    if per_channel:
        quantize = tf.quantization.fake_quant_with_min_max_vars_per_channel
    return quantize(inputs, low, high, narrow_range=narrow)


def kept_float(inputs: tf.Tensor) -> tf.Tensor:
    """The float32 inputs, by way of float64: an operation that int8 has not.

    The TFLite converter computes in integers whatever lies between two rounded tensors, but for such an operation;
    `kres.export.conversion.casts` takes it out of the file again.
    """
    return tf.cast(tf.cast(inputs, tf.float64), tf.float32)
