"""Data sets without tf.data's tuner."""

import os
import threading

import numpy as np
import pytest

from kres.datasets import untuned


@pytest.mark.skipif(os.cpu_count() == 1, reason="needs two cores")
def test_what_is_autotuned_elsewhere_takes_every_core():
    import tensorflow as tf

    together = threading.Barrier(2)

    def meets(number):
        together.wait(timeout=60)
        return number

    numbers = tf.data.Dataset.range(4).map(
        lambda number: tf.numpy_function(meets, [number], tf.int64), num_parallel_calls=tf.data.AUTOTUNE
    )
    dataset = untuned(numbers)
    assert not dataset.options().autotune.enabled
    np.testing.assert_array_equal(list(dataset.as_numpy_iterator()), range(4))
