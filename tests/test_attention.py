"""Attention against NumPy, and the widths that timm gives it."""

import keras
import numpy as np
import pytest

import kres
from kres.attention import ATTENTIONS, squeezed


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def put_on(kind: str, channels: int) -> keras.Model:
    inputs = keras.Input((4, 4, channels))
    return keras.Model(inputs, ATTENTIONS[kind](inputs, spec=kres.spec("seresnet50"), name="block"))


@pytest.mark.parametrize(
    ("channels", "ratio", "multiple", "expected"),
    [
        (64, 1 / 16, 8, 8),
        (128, 1 / 16, 8, 8),
        (256, 1 / 16, 8, 16),
        (2048, 1 / 16, 8, 128),
        (256, 0.25, 8, 64),
        (320, 1 / 16, 8, 24),
        (64, 1 / 16, 1, 4),
    ],
)
def test_squeezed_channels_are_rounded_to_a_multiple(channels, ratio, multiple, expected):
    """timm's make_divisible with round_limit 0: 64 / 16 = 4 becomes 8, 320 / 16 = 20 becomes 24."""
    assert squeezed(channels, ratio, multiple=multiple) == expected


def test_squeeze_and_excitation():
    model = put_on("se", 32)
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 32)).astype("float32")
    w1, b1, w2, b2 = (w + 0.1 for w in model.get_weights())
    model.set_weights([w1, b1, w2, b2])
    squeeze = np.maximum(x.mean((1, 2)) @ w1[0, 0] + b1, 0)
    np.testing.assert_allclose(model(x), x * sigmoid(squeeze @ w2[0, 0] + b2)[:, None, None], atol=1e-5)


@pytest.mark.parametrize(("channels", "reach"), [(64, 3), (256, 5), (512, 5), (2048, 7), (4096, 7)])
def test_efficient_channel_attention(channels, reach):
    """Wang et al. 2020, equation 12 with gamma 2 and b 1: |log2 C + 1| / 2, up to the next odd number."""
    model = put_on("eca", channels)
    (kernel,) = model.get_weights()
    assert kernel.shape == (reach, 1, 1)
    x = np.random.default_rng(0).standard_normal((2, 4, 4, channels)).astype("float32")
    row = np.pad(x.mean((1, 2)), ((0, 0), (reach // 2, reach // 2)))
    gate = sum(row[:, k : k + channels] * kernel[k, 0, 0] for k in range(reach))
    np.testing.assert_allclose(model(x), x * sigmoid(gate)[:, None, None], atol=1e-5)


def test_without_attention_nothing_is_put_on():
    x = keras.Input((4, 4, 8))
    assert ATTENTIONS["none"](x, spec=kres.spec("resnet50"), name="block") is x
