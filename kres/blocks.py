"""The residual blocks, in small tables: what a branch convolves, in which order, and how the input goes round it.

A block's layers are called `{name}_conv1`, `{name}_norm1`, `{name}_act1` and so on, those of its shortcut
`{name}_shortcut_...`, and its last layer is its place's `out`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kres import attention, layers
from kres.specs import Spec
from kres.stages import Place

Tensor = Any
CONV, NORM, ACT = "conv", "norm", "act"


@dataclass(frozen=True)
class Conv:
    """One convolution of a branch."""

    filters: int
    kernel_size: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    antialias: int | None = None
    """Stride of the anti-aliasing filter that follows the activation behind; None without one."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What stands around the convolutions of a branch."""

    before: tuple[str, ...] = ()
    """Before each convolution."""
    after: tuple[str, ...] = ()
    """Behind each but the last."""
    after_last: tuple[str, ...] = ()
    after_sum: tuple[str, ...] = ()


# He et al. 2016, figure 4 (a) to (e); `activation_around_addition` is that of the first SE-ResNet-18 and 34.
ORDERS: dict[str, Order] = {
    "postactivation": Order(after=(NORM, ACT), after_last=(NORM,), after_sum=(ACT,)),
    "norm_after_addition": Order(after=(NORM, ACT), after_sum=(NORM, ACT)),
    "activation_before_addition": Order(after=(NORM, ACT), after_last=(NORM, ACT)),
    "activation_around_addition": Order(after=(NORM, ACT), after_last=(NORM, ACT), after_sum=(ACT,)),
    "activation_only_preactivation": Order(before=(ACT,), after=(NORM,), after_last=(NORM,)),
    "preactivation": Order(before=(NORM, ACT)),
}


def basic(place: Place, spec: Spec) -> tuple[Conv, ...]:
    """Two 3x3: He et al. 2015, figure 5 left."""
    width = spec.widths[place.stage - 1]
    return _strided(width // spec.reduce_first, place, spec), Conv(width, 3, dilation=place.dilation)


def bottleneck(place: Place, spec: Spec) -> tuple[Conv, ...]:
    """1x1, 3x3, 1x1, which puts out 4 times the width: He et al. 2015, figure 5 right; Xie et al. 2017, figure 3c."""
    inner = spec.inner_widths[place.stage - 1]
    outer = Conv(4 * spec.widths[place.stage - 1], 1)
    if spec.stride_conv == 1:
        middle = Conv(inner, 3, groups=spec.groups, dilation=place.dilation)
        return Conv(inner // spec.reduce_first, 1, place.stride), middle, outer
    return Conv(inner // spec.reduce_first, 1), _strided(inner, place, spec, groups=spec.groups), outer


def _strided(filters: int, place: Place, spec: Spec, *, groups: int = 1) -> Conv:
    """The 3x3 that strides, or that an anti-aliasing filter strides for."""
    reduces = place.stride != 1 or place.first_dilation != place.dilation
    if spec.antialias == "none" or not reduces:
        return Conv(filters, 3, place.stride, groups, place.first_dilation)
    return Conv(filters, 3, 1, groups, place.first_dilation, antialias=place.stride)


BRANCHES: dict[str, Callable[[Place, Spec], tuple[Conv, ...]]] = {"basic": basic, "bottleneck": bottleneck}


def block(x: Tensor, *, place: Place, spec: Spec) -> Tensor:
    """One residual block, (n, h, w, c) -> (n, h / stride, w / stride, c'): the branch, the shortcut and their sum.

    Without a shortcut (a plain net) the branch is all there is.
    """
    order, name = ORDERS[spec.order], place.name
    convs = BRANCHES[spec.block](place, spec)
    h, start = _branch(x, convs, place=place, spec=spec)
    h = attention.ATTENTIONS[spec.attention](h, spec=spec, name=name)
    h = layers.drop_path(h, place.drop_path, name=f"{name}_drop_path")
    if spec.shortcut != "none":
        shortcut = _shortcut(start, channels=h.shape[-1], place=place, spec=spec)
        h = layers.add(shortcut, h, name=f"{name}_add" if order.after_sum else place.out)
    return sequence(h, order.after_sum, k=len(convs), spec=spec, name=name, out=place.out)


def _branch(x: Tensor, convs: tuple[Conv, ...], *, place: Place, spec: Spec) -> tuple[Tensor, Tensor]:
    """The branch's output, and where the shortcut starts: at the block's input, or behind its first activation."""
    order, name, at_zero = ORDERS[spec.order], place.name, _at_zero(spec)
    start = h = x
    antialias = None
    for k, conv in enumerate(convs, start=1):
        last = k == len(convs)
        h = sequence(h, order.before, k=k, spec=spec, name=name)
        if k == 1 and _starts_activated(x, convs[-1].filters, place, spec):
            start = h
        if antialias is not None:
            h = layers.antialias(h, spec.antialias, stride=antialias, name=f"{name}_conv{k - 1}_antialias")
        if last:
            h = layers.dropout(h, spec.block_dropout, name=f"{name}_dropout")
        h = _convolve(h, conv, role=f"conv{k}", zero_init=last and at_zero == CONV, spec=spec, name=name)
        behind = order.after_last if last else order.after
        h = sequence(h, behind, k=k, spec=spec, name=name, zero_init=last and at_zero == NORM)
        antialias = conv.antialias
    return h, start


def sequence(
    x: Tensor,
    operations: tuple[str, ...],
    *,
    k: int,
    spec: Spec,
    name: str,
    zero_init: bool = False,
    out: str | None = None,
) -> Tensor:
    """Norm and activation number `k` of a block or a stem, in the order given; the last is called `out` if that is."""
    for operation in operations:
        called = out if out is not None and operation == operations[-1] else f"{name}_{operation}{k}"
        if operation == NORM:
            x = layers.norm(x, spec=spec, zero_init=zero_init, name=called)
        else:
            x = layers.act(x, spec.activation, name=called)
    return x


def _at_zero(spec: Spec) -> str | None:
    """What starts at zero so that a branch does: its last norm's gamma or, without a norm there, its last kernel.

    Nothing in a plain net, nor where an activation ends the branch: at zero neither could ever learn.
    """
    if not spec.zero_init_residual or spec.shortcut == "none":
        return None
    return {(NORM,): NORM, (): CONV}.get(ORDERS[spec.order].after_last)


def _starts_activated(x: Tensor, channels: int, place: Place, spec: Spec) -> bool:
    """Whether the shortcut starts behind the first activation, where that stands before the first convolution."""
    return _projects(x, channels, place, spec) or (place.index == 1 and spec.first_shortcut_activated)


def _shortcut(x: Tensor, *, channels: int, place: Place, spec: Spec) -> Tensor:
    """The block's input in the shape of its output: He et al. 2015, section 3.3."""
    name, stride = f"{place.name}_shortcut", place.stride
    if _projects(x, channels, place, spec):
        reduces = stride != 1 or place.dilation != 1
        if spec.shortcut_pool == "avg" and reduces:
            x = layers.average_pool(x, stride=stride, name=f"{name}_pool")
            stride = 1
        kernel_size = spec.shortcut_kernel if reduces else 1
        conv = Conv(channels, kernel_size, stride, dilation=place.first_dilation if kernel_size > 1 else 1)
        x = _convolve(x, conv, role="shortcut_conv", spec=spec, name=place.name)
        return layers.norm(x, spec=spec, name=f"{name}_norm") if NORM in ORDERS[spec.order].after_last else x
    if stride != 1:
        x = layers.subsample(x, stride=stride, name=f"{name}_pool")
    if x.shape[-1] != channels:
        x = layers.pad_channels(x, channels, name=f"{name}_pad")
    return x


def _projects(x: Tensor, channels: int, place: Place, spec: Spec) -> bool:
    if x.shape[-1] != channels:
        return "channels" in PROJECTED[spec.shortcut]
    change = "stride" if place.stride != 1 else "first" if place.index == 1 else "same"
    return change in PROJECTED[spec.shortcut]


# What a 1x1 convolution in the shortcut bridges: a change of channels, a stride alone, or nothing at all, in a stage's
# first block or in any.
PROJECTED: dict[str, set[str]] = {
    "projection": {"channels", "stride"},
    "projection_first": {"channels", "stride", "first"},
    "projection_all": {"channels", "stride", "first", "same"},
    "projection_or_pool": {"channels"},
    "zero_pad": set(),
    "none": set(),
}


def _convolve(x: Tensor, conv: Conv, *, role: str, zero_init: bool = False, spec: Spec, name: str) -> Tensor:
    return layers.conv(
        x,
        conv.filters,
        conv.kernel_size,
        stride=conv.stride,
        groups=conv.groups,
        dilation=conv.dilation,
        bias=role in spec.conv_bias,
        standardization=spec.weight_standardization,
        zero_init=zero_init,
        name=f"{name}_{role}",
    )
