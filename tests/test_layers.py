"""The layers that Keras does not have, against NumPy; and what padding means."""

import keras
import numpy as np
import pytest

from kres import layers
from kres.convolution import StandardizedConv2D
from kres.layers import BlurPool2D
from kres.normalization import FrozenBatchNormalization


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (2, 3)])
def test_blur_is_a_reflected_binomial_filter(size, strides):
    x = images(2, *size, 3)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = sum(
        weights[i, j] * padded[:, i : i + size[0], j : j + size[1]] for i in range(3) for j in range(3)
    )[:, ::strides, ::strides]  # fmt: skip
    layer = BlurPool2D(strides)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)  # float32 sums
    assert layer.compute_output_shape(x.shape) == expected.shape
    assert BlurPool2D.from_config(layer.get_config()).strides == strides


def test_blur_keeps_a_constant_and_half_precision():
    assert np.array_equal(BlurPool2D(2)(np.full((1, 6, 6, 2), 3.0, "float32")), np.full((1, 3, 3, 2), 3.0))
    assert BlurPool2D(2, dtype="bfloat16")(np.ones((1, 6, 6, 2))).dtype == "bfloat16"


def test_nothing_can_be_reflected_in_a_single_row():
    with pytest.raises(ValueError, match=r"at least 2x2 positions.*\(1, 1, 4, 2\)"):
        BlurPool2D(2)(keras.Input(batch_shape=(1, 1, 4, 2)))


@pytest.mark.parametrize("groups", [1, 2])
def test_a_standardized_kernel_has_mean_0_and_variance_1(groups):
    x = images(2, 6, 6, 4)
    layer = StandardizedConv2D(6, 3, padding="same", groups=groups, use_bias=False, epsilon=1e-5)
    layer.build(x.shape)
    kernel = images(3, 3, 4 // groups, 6) * 5 + 2
    layer.kernel.assign(kernel)
    wide = kernel.astype("float64")
    standard = (wide - wide.mean((0, 1, 2))) / np.sqrt(wide.var((0, 1, 2)) + 1e-5)
    plain = keras.layers.Conv2D(6, 3, padding="same", groups=groups, use_bias=False)
    plain.build(x.shape)
    plain.kernel.assign(standard)
    np.testing.assert_allclose(layer(x), plain(x), atol=2e-5)  # float32 sums of 36 products
    assert StandardizedConv2D.from_config(layer.get_config()).epsilon == 1e-5


def test_a_standardized_kernel_does_not_see_scale_and_offset():
    layer = StandardizedConv2D(4, 3)
    x = images(1, 5, 5, 2)
    before = np.array(layer(x))
    layer.kernel.assign(layer.kernel * 7 + 3)
    np.testing.assert_allclose(layer(x), before, atol=1e-4)


def test_frozen_norm_is_keras_norm_in_inference():
    x = images(4, 3, 3, 5)
    frozen, plain = FrozenBatchNormalization(epsilon=1e-3), keras.layers.BatchNormalization(epsilon=1e-3)
    for layer in (frozen, plain):
        layer.build(x.shape)
        layer.set_weights([np.linspace(0.5, 2, 5) + k for k in range(4)])
    np.testing.assert_allclose(frozen(x, training=True), plain(x, training=False), atol=1e-6)
    assert (len(frozen.weights), len(frozen.trainable_weights), len(frozen.non_trainable_weights)) == (4, 0, 4)
    again = FrozenBatchNormalization.from_config(frozen.get_config())
    again.trainable = True
    assert not again.trainable


@pytest.mark.parametrize("size", [6, 7])
def test_average_before_a_projection(size):
    """Stride 2: PyTorch's ceil_mode without counting padding. Stride 1: zeros beyond the last row, counted (timm)."""
    x = images(1, size, size, 1)
    inputs = keras.Input((size, size, 1))
    strided = keras.Model(inputs, layers.average_pool(inputs, stride=2, name="pool"))(x)
    rows = [x[:, i : i + 2] for i in range(0, size, 2)]
    expected = [[cell[:, :, j : j + 2].mean() for j in range(0, size, 2)] for cell in rows]
    np.testing.assert_allclose(np.array(strided)[0, :, :, 0], expected, atol=1e-6)
    dense = keras.Model(inputs, layers.average_pool(inputs, stride=1, name="pool1"))(x)
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    expected = (padded[:, 1:, 1:] + padded[:, :-1, 1:] + padded[:, 1:, :-1] + padded[:, :-1, :-1]) / 4
    np.testing.assert_allclose(dense, expected, atol=1e-6)


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_convolutions_padding_is_symmetric_and_keeps_the_map(dilation):
    inputs = keras.Input((9, 9, 1))
    model = keras.Model(inputs, layers.conv(inputs, 1, 3, dilation=dilation, name="conv"))
    model.set_weights([np.ones((3, 3, 1, 1))])
    pulse = np.zeros((1, 9, 9, 1), "float32")
    pulse[0, 4, 4, 0] = 1
    seen = np.argwhere(np.array(model(pulse))[0, :, :, 0])
    assert {tuple(place) for place in seen} == {
        (4 + i * dilation, 4 + j * dilation) for i in (-1, 0, 1) for j in (-1, 0, 1)
    }
