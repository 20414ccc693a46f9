"""The residual blocks, in small tables: what a branch convolves, in which order, and how the input goes round it.

A block is one function of `ORDERS`; its layers are called `{name}_conv1`, `{name}_norm1`, `{name}_act1` and so on,
those of its shortcut `{name}_shortcut_...`, and its last layer `out`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kres import layers
from kres.specs import Spec

Tensor = Any


@dataclass(frozen=True)
class Conv:
    """One convolution of a branch."""

    filters: int
    kernel_size: int
    stride: int = 1
    groups: int = 1


def basic(width: int, stride: int, spec: Spec) -> tuple[Conv, ...]:
    """Two 3x3: He et al. 2015, figure 5 left."""
    return Conv(width, 3, stride), Conv(width, 3)


def bottleneck(width: int, stride: int, spec: Spec) -> tuple[Conv, ...]:
    """1x1, 3x3, 1x1, which puts out 4 times the width: He et al. 2015, figure 5 right; Xie et al. 2017, figure 3c."""
    inner = width * spec.group_width // 64 * spec.groups
    first, second = (stride, 1) if spec.stride_conv == 1 else (1, stride)
    return Conv(inner, 1, first), Conv(inner, 3, second, spec.groups), Conv(4 * width, 1)


def postactivation(
    x: Tensor, *, convs: tuple[Conv, ...], stride: int, first: bool, spec: Spec, name: str, out: str
) -> Tensor:
    """Convolution, norm, activation; the last activation behind the sum: He et al. 2015, figure 2.

    Without a shortcut (a plain net) the branch is all there is.
    """
    h = x
    for k, conv in enumerate(convs, start=1):
        last = k == len(convs)
        h = _convolve(h, conv, role=f"conv{k}", spec=spec, name=name)
        zero_init = last and spec.zero_init_residual and spec.shortcut != "none"
        h = layers.norm(h, spec=spec, zero_init=zero_init, name=f"{name}_norm{k}")
        if not last:
            h = layers.act(h, name=f"{name}_act{k}")
    if spec.shortcut != "none":
        x = _shortcut(x, channels=h.shape[-1], stride=stride, spec=spec, name=name)
        h = layers.add(x, h, name=f"{name}_add")
    return layers.act(h, name=out)


def preactivation(
    x: Tensor, *, convs: tuple[Conv, ...], stride: int, first: bool, spec: Spec, name: str, out: str
) -> Tensor:
    """Norm, activation, convolution, and nothing behind the sum: He et al. 2016, figure 1b.

    A projection starts behind the first activation, an identity at the block's input.
    """
    h = x
    for k, conv in enumerate(convs, start=1):
        last = k == len(convs)
        h = layers.norm(h, spec=spec, name=f"{name}_norm{k}")
        h = layers.act(h, name=f"{name}_act{k}")
        if k == 1 and (_projects(x, convs[-1].filters, stride, spec) or (first and spec.first_shortcut_activated)):
            x = h
        h = _convolve(h, conv, role=f"conv{k}", zero_init=last and spec.zero_init_residual, spec=spec, name=name)
    x = _shortcut(x, channels=h.shape[-1], stride=stride, spec=spec, name=name)
    return layers.add(x, h, name=out)


def _shortcut(x: Tensor, *, channels: int, stride: int, spec: Spec, name: str) -> Tensor:
    """The block's input in the shape of its output: He et al. 2015, section 3.3."""
    if _projects(x, channels, stride, spec):
        conv = Conv(channels, 1, stride)
        x = _convolve(x, conv, role="shortcut_conv", spec=spec, name=name)
        return x if spec.order == "preactivation" else layers.norm(x, spec=spec, name=f"{name}_shortcut_norm")
    if stride != 1:
        x = layers.subsample(x, stride=stride, name=f"{name}_shortcut_pool")
    if x.shape[-1] != channels:
        x = layers.pad_channels(x, channels, name=f"{name}_shortcut_pad")
    return x


def _projects(x: Tensor, channels: int, stride: int, spec: Spec) -> bool:
    change = "channels" if x.shape[-1] != channels else "stride" if stride != 1 else "same"
    return change in PROJECTED[spec.shortcut]


def _convolve(x: Tensor, conv: Conv, *, role: str, zero_init: bool = False, spec: Spec, name: str) -> Tensor:
    return layers.conv(
        x,
        conv.filters,
        conv.kernel_size,
        stride=conv.stride,
        groups=conv.groups,
        bias=role in spec.conv_bias,
        zero_init=zero_init,
        name=f"{name}_{role}",
    )


BRANCHES: dict[str, Callable[[int, int, Spec], tuple[Conv, ...]]] = {"basic": basic, "bottleneck": bottleneck}

ORDERS: dict[str, Callable[..., Tensor]] = {"postactivation": postactivation, "preactivation": preactivation}

# What a 1x1 convolution in the shortcut bridges: a change of channels, a stride alone, or nothing at all.
PROJECTED: dict[str, set[str]] = {
    "projection": {"channels", "stride"},
    "projection_all": {"channels", "stride", "same"},
    "projection_or_pool": {"channels"},
    "zero_pad": set(),
}
