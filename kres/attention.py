"""Attention over channels at the end of a residual branch: functions (x, ...) -> x in one table."""

import math
from collections.abc import Callable
from typing import Any

import keras

from kres import layers
from kres.specs import Spec

Tensor = Any


def squeeze_and_excite(x: Tensor, *, spec: Spec, name: str) -> Tensor:
    """Each map times a gate that two layers on all maps' averages give: Hu et al. 2018, arXiv 1709.01507, figure 3."""
    channels = x.shape[-1]
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_pool")(x)
    gate = layers.conv(
        gate, squeezed(channels, spec.se_ratio, multiple=spec.se_multiple), 1, bias=True, name=f"{name}_se_fc1"
    )
    gate = layers.act(gate, "relu", name=f"{name}_se_act")
    gate = layers.conv(gate, channels, 1, bias=True, name=f"{name}_se_fc2")
    gate = layers.act(gate, "sigmoid", name=f"{name}_se_gate")
    return keras.layers.Multiply(name=f"{name}_se_scale")([x, gate])


def squeezed(channels: int, ratio: float, *, multiple: int) -> int:
    """That share of the channels rounded to a multiple, one at least, as in timm."""
    return max(multiple, int(channels * ratio + multiple / 2) // multiple * multiple)


def efficient_channel_attention(x: Tensor, *, spec: Spec, name: str) -> Tensor:
    """Each map times a gate that a convolution along the channels' averages gives: Wang et al. 2020, arXiv 1910.03151.

    Its reach grows with the logarithm of the channels: equation 12 with gamma 2 and b 1.
    """
    channels = x.shape[-1]
    reach = int(abs(math.log2(channels) + 1) / 2)
    gate = keras.layers.GlobalAveragePooling2D(name=f"{name}_eca_pool")(x)
    gate = keras.layers.Reshape((channels, 1), name=f"{name}_eca_row")(gate)
    gate = keras.layers.Conv1D(1, max(reach | 1, 3), padding="same", use_bias=False, name=f"{name}_eca_conv")(gate)
    gate = layers.act(gate, "sigmoid", name=f"{name}_eca_gate")
    gate = keras.layers.Reshape((1, 1, channels), name=f"{name}_eca_maps")(gate)
    return keras.layers.Multiply(name=f"{name}_eca_scale")([x, gate])


def no_attention(x: Tensor, *, spec: Spec, name: str) -> Tensor:
    """`x` itself."""
    return x


ATTENTIONS: dict[str, Callable[..., Tensor]] = {
    "none": no_attention,
    "se": squeeze_and_excite,
    "eca": efficient_channel_attention,
}
