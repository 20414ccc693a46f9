"""What stands before the first stage: functions (x, ...) -> x in one table."""

from collections.abc import Callable
from typing import Any

from kres import layers
from kres.blocks import ACT, NORM, ORDERS, sequence
from kres.specs import Spec

Tensor = Any


def imagenet(x: Tensor, *, spec: Spec) -> Tensor:
    """7x7 stride 2 (He et al. 2015, table 1), or 3x3s of which the first strides (He et al. 2018, table 4), and a pool.

    Together of stride 4.
    """
    x = _convolutions(x, kernel_size=7 if spec.stem_depth == 1 else 3, stride=2, spec=spec)
    return STEM_POOLS[spec.stem_pool](x, spec=spec)


def cifar(x: Tensor, *, spec: Spec) -> Tensor:
    """3x3s, one as a rule, at full resolution: He et al. 2015, section 4.2."""
    return _convolutions(x, kernel_size=3, stride=1, spec=spec)


def _convolutions(x: Tensor, *, kernel_size: int, stride: int, spec: Spec) -> Tensor:
    for k, width in enumerate(spec.stem_widths or spec.widths[:1], start=1):
        x = layers.conv(
            x,
            width,
            kernel_size,
            stride=stride if k == 1 else 1,
            bias="stem_conv" in spec.conv_bias,
            standardization=spec.weight_standardization,
            name=f"stem_conv{k}",
        )
        x = sequence(x, _behind(k, spec), k=k, spec=spec, name="stem")
    return x


def _behind(k: int, spec: Spec) -> tuple[str, ...]:
    """What follows the stem's convolution number k; behind the last, what the first block does not bring itself."""
    both = (NORM, ACT)
    return both if k < spec.stem_depth else tuple(op for op in both if op not in ORDERS[spec.order].before)


def last_before_pool(spec: Spec) -> str:
    """Name of the stem's last layer before its pool."""
    operation = (None, *_behind(spec.stem_depth, spec))[-1] or "conv"
    return f"stem_{operation}{spec.stem_depth}"


def _is_rectified(spec: Spec) -> bool:
    """Whether the stem ends in a ReLU: then zeros around a map are less than nothing, and cheaper."""
    return spec.activation == "relu" and ACT in _behind(spec.stem_depth, spec)


def _max_pool(x: Tensor, *, spec: Spec) -> Tensor:
    """3x3 stride 2; an anti-aliased net averages 2x2 instead, or takes the maximum at stride 1 and blurs."""
    if spec.antialias == "none":
        zeros = spec.stem_pool_zero_pad or _is_rectified(spec)
        return layers.max_pool(x, zero_pad=zeros, name="stem_pool")
    if spec.antialias == "blur":
        x = layers.dense_max_pool(x, name="stem_pool_max")
    return layers.antialias(x, spec.antialias, stride=2, padding="valid", name="stem_pool")


def _ceil_max_pool(x: Tensor, *, spec: Spec) -> Tensor:
    """3x3 stride 2 from the first row on, zeros only behind the last: Caffe's, PyTorch's ceil_mode."""
    return layers.max_pool(x, before=0, name="stem_pool")


def _conv_pool(x: Tensor, *, spec: Spec) -> Tensor:
    """A 3x3 convolution of stride 2, norm and activation: Bello et al. 2021, arXiv 2103.07579, section 4.3."""
    stride = 2 if spec.antialias == "none" else 1
    x = layers.conv(x, x.shape[-1], 3, stride=stride, name="stem_pool_conv")
    if stride == 1:
        x = layers.antialias(x, spec.antialias, stride=2, name="stem_pool_antialias")
    x = layers.norm(x, spec=spec, name="stem_pool_norm")
    return layers.act(x, spec.activation, name="stem_pool")


STEM_POOLS: dict[str, Callable[..., Tensor]] = {"max": _max_pool, "max_ceil": _ceil_max_pool, "conv": _conv_pool}

STEMS: dict[str, Callable[..., Tensor]] = {"imagenet": imagenet, "cifar": cifar}
