from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kres.kernels.tensorflow_norm import batch_norm
from tests.kernels.comparison import random_images


def normalize(inputs: tf.Tensor, **changes: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    arguments: dict[str, Any] = {
        "gamma": tf.constant([1.0, 2.0, 0.5]),
        "beta": tf.constant([0.0, -1.0, 3.0]),
        "moving_mean": tf.constant([0.5, 0.0, -0.5]),
        "moving_variance": tf.constant([1.0, 4.0, 0.25]),
        "momentum": 0.9,
        "epsilon": 1e-5,
        "training": True,
    } | changes
    return batch_norm(inputs, arguments.pop("gamma"), **arguments)


def test_training_by_the_definition() -> None:
    """Ioffe and Szegedy 2015, algorithm 1, in float64."""
    images = random_images(3, 4, 5, 3)
    outputs, mean, variance = normalize(tf.constant(images))
    exact = images.astype("float64")
    batch_mean, batch_variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    expected = (exact - batch_mean) / np.sqrt(batch_variance + 1e-5) * [1.0, 2.0, 0.5] + [0.0, -1.0, 3.0]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(mean, 0.9 * np.array([0.5, 0.0, -0.5]) + 0.1 * batch_mean, atol=1e-6)
    np.testing.assert_allclose(variance, 0.9 * np.array([1.0, 4.0, 0.25]) + 0.1 * batch_variance, rtol=1e-6)


def test_inference_by_the_definition() -> None:
    images = random_images(3, 4, 5, 3)
    outputs, mean, variance = normalize(tf.constant(images), training=False)
    expected = (images - [0.5, 0.0, -0.5]) / np.sqrt([1.00001, 4.00001, 0.25001]) * [1, 2, 0.5] + [0, -1, 3]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_array_equal(mean, [0.5, 0.0, -0.5])
    np.testing.assert_array_equal(variance, [1.0, 4.0, 0.25])


@pytest.mark.parametrize("training", [True, False])
def test_small_epsilon_is_not_raised(training: bool) -> None:
    """TensorFlow's documented wrapper raises any epsilon to 1.001e-5, which a nearly constant map shows."""
    images = 1e-6 * random_images(3, 4, 5, 3)
    outputs, _, _ = normalize(
        tf.constant(images),
        epsilon=1e-7,
        training=training,
        gamma=None,
        beta=None,
        moving_mean=tf.zeros(3),
        moving_variance=tf.fill(3, 1e-12),
    )
    exact = images.astype("float64")
    mean, variance = (exact.mean((0, 1, 2)), exact.var((0, 1, 2))) if training else (0.0, 1e-12)
    np.testing.assert_allclose(outputs, (exact - mean) / np.sqrt(variance + 1e-7), rtol=1e-4, atol=1e-5)


def test_dynamic_count_equals_static() -> None:
    images = tf.constant(random_images(3, 4, 5, 3))
    dynamic = tf.function(normalize, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for found, expected in zip(dynamic(images), normalize(images), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
