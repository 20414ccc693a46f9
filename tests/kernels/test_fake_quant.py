"""Fake quantization against NumPy's arithmetic, and on one backend as on the other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kres import kernels
from kres.kernels import generic
from tests.training.replicas import on_two_replicas

KERNELS = [kernels.fake_quantize, generic.fake_quantize]


def expected(values, low, high, *, steps):
    """To whole steps above a low bound that puts 0 on one: Jacob et al. 2018, section 3.2."""
    step = (high - low) / steps
    below = np.round(-low / step)
    return (np.clip(np.round(values / step) + below, 0, steps) - below) * step


@pytest.mark.parametrize("quantize", KERNELS)
@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.0, 6.0), (-2.5, 0.0), (-0.1, 0.05)])
def test_values_lie_on_256_steps_of_a_range(quantize, low, high):
    values = np.random.default_rng(0).normal(0, 3, (5, 7)).astype("float32")
    found = np.asarray(quantize(keras.ops.convert_to_tensor(values), low, high))
    # float32 against float64: of a value between two steps either may be the nearer.
    np.testing.assert_allclose(found, expected(values.astype("float64"), low, high, steps=255), atol=1e-5)
    assert np.asarray(quantize(keras.ops.zeros((3,)), low, high)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("quantize", KERNELS)
def test_each_channel_has_its_own_range(quantize):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32")
    limit = np.abs(kernel).max((0, 1, 2))
    found = quantize(keras.ops.convert_to_tensor(kernel), -limit, limit, per_channel=True, narrow=True)
    wanted = expected(kernel.astype("float64"), -limit.astype("float64"), limit.astype("float64"), steps=254)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_gradients_are_the_same_on_every_backend():
    """To the input within the range, to a bound beyond it."""
    values = tf.constant([-3.0, -0.4, 0.0, 0.3, 1.9, 5.0])
    found = []
    for quantize in KERNELS:
        low, high = tf.constant(-1.0), tf.constant(2.0)
        with tf.GradientTape() as tape:
            tape.watch([values, low, high])
            total = tf.reduce_sum(quantize(values, low, high) * tf.range(1.0, 7.0))
        found.append(tape.gradient(total, [values, low, high]))
    assert found[0][0].numpy().tolist() == [0, 2, 3, 4, 5, 0]
    for own, other in zip(*found, strict=True):
        np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize("quantize", KERNELS)
def test_bounds_of_another_shape_are_refused(quantize):
    bounds = np.ones(3, "float32")
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        quantize(keras.ops.ones((2, 4)), -bounds, bounds, per_channel=True)


@pytest.mark.parametrize("extremes", [kernels.extremes, generic.extremes])
def test_extremes(extremes):
    values = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    np.testing.assert_array_equal([np.asarray(value) for value in extremes(values)], [values.min(), values.max()])


def test_extremes_of_a_batch_in_parts_are_those_of_the_whole():
    """All negative and all positive too: neither the zeros of the other's row nor those of no row get in."""
    on_two_replicas("""
        from kres import kernels

        def of_parts(parts):
            given = strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(parts[context.replica_id_in_sync_group])
            )
            found = tf.function(lambda values: strategy.run(kernels.extremes, (values,)))(given)
            return [strategy.experimental_local_results(bound) for bound in found]

        values = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
        above, below = np.abs(values) + 1, -np.abs(values) - 1
        for parts in (values, above, below, np.stack([below[0], above[1]]), np.stack([above[0], below[1]])):
            low, high = of_parts(parts)
            for replica in range(2):
                np.testing.assert_array_equal([low[replica], high[replica]], [parts.min(), parts.max()])
    """)
