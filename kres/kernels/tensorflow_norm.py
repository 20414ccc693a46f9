"""Batch normalization on TensorFlow by its fused kernel: one op forward, one backward."""

from typing import Any

import tensorflow as tf


def batch_norm(
    inputs: tf.Tensor,
    gamma: Any,
    *,
    beta: Any,
    moving_mean: Any,
    moving_variance: Any,
    momentum: float,
    epsilon: float,
    training: bool,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalize float32, bfloat16 or float16 (n, h, w, c) over its last axis, with statistics (c,) in float32.

    `gamma` and `beta` may be None (1 and 0). Returns the outputs and the new moving mean and variance, which in
    inference are the ones given.
    """
    channels = inputs.shape[-1]
    gamma = tf.ones((channels,)) if gamma is None else gamma
    beta = tf.zeros((channels,)) if beta is None else beta
    if not training:
        normalized = _fused(inputs, gamma, beta, moving_mean, moving_variance, epsilon=epsilon, is_training=False)
        return normalized.y, moving_mean, moving_variance
    # The kernel multiplies the batch's variance by n / (n - 1) before it averages. Keras does not: take the factor
    # out of the average, after giving the old average one that then cancels.
    factor = _inverse_of_bessels_correction(inputs)
    normalized = _fused(
        inputs,
        gamma,
        beta,
        moving_mean,
        tf.divide(moving_variance, factor),
        epsilon=epsilon,
        is_training=True,
        exponential_avg_factor=1.0 - momentum,
    )
    return normalized.y, normalized.batch_mean, normalized.batch_variance * factor


def _fused(inputs: tf.Tensor, gamma: Any, beta: Any, mean: Any, variance: Any, **attributes: Any) -> Any:
    # The raw op, because tf.compat.v1.nn.fused_batch_norm silently raises any epsilon below 1.001e-5 to that.
    return tf.raw_ops.FusedBatchNormV3(x=inputs, scale=gamma, offset=beta, mean=mean, variance=variance, **attributes)


def _inverse_of_bessels_correction(inputs: tf.Tensor) -> float | tf.Tensor:
    """(n - 1) / n for the n = batch * height * width elements of a channel; 1 for n = 1, as the kernel has it."""
    elements = inputs.shape[:-1].num_elements()
    if elements is not None:
        return max(elements - 1, 1) / max(elements, 1)
    # int64: the activations of a large batch hold more than 2 ** 31 elements.
    share = inputs.shape[-1] / tf.cast(tf.size(inputs, out_type=tf.int64), tf.float32)
    return tf.maximum(1.0 - share, share)
