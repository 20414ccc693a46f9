from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kres.kernels import generic, grouped_conv2d
from tests.kernels.comparison import random_images


@pytest.mark.parametrize(("stride", "padding"), [(1, "same"), (2, "valid")])
def test_equals_the_native_operation(stride: int, padding: str) -> None:
    images, kernel = random_images(2, 7, 6, 8), random_images(3, 3, 2, 12)
    arguments: dict[str, Any] = {"strides": (stride, stride), "padding": padding, "dilation_rate": (1, 1), "groups": 4}
    expected = generic.grouped_conv2d(images, kernel, **arguments)
    found = grouped_conv2d(tf.constant(images), tf.constant(kernel), **arguments)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="groups=2"):
        generic.grouped_conv2d(
            random_images(1, 5, 5, 8),
            random_images(3, 3, 2, 12),
            strides=(1, 1),
            padding="same",
            dilation_rate=(1, 1),
            groups=2,
        )
