"""What stands before the first stage: functions (x, ...) -> x in one table."""

from collections.abc import Callable
from typing import Any

from kres import layers
from kres.specs import Spec

Tensor = Any


def imagenet(x: Tensor, *, spec: Spec) -> Tensor:
    """7x7 stride 2 and a 3x3 max-pool, together stride 4: He et al. 2015, table 1."""
    x = _conv_norm_act(x, kernel_size=7, stride=2, spec=spec)
    return layers.max_pool(x, zero_pad=spec.stem_pool_zero_pad, name="stem_pool")


def cifar(x: Tensor, *, spec: Spec) -> Tensor:
    """One 3x3 at full resolution: He et al. 2015, section 4.2."""
    return _conv_norm_act(x, kernel_size=3, stride=1, spec=spec)


def _conv_norm_act(x: Tensor, *, kernel_size: int, stride: int, spec: Spec) -> Tensor:
    bias = "stem_conv" in spec.conv_bias
    x = layers.conv(x, spec.widths[0], kernel_size, stride=stride, bias=bias, name="stem_conv1")
    if spec.order == "preactivation":  # the first block brings its own
        return x
    x = layers.norm(x, spec=spec, name="stem_norm1")
    return layers.act(x, name="stem_act1")


STEMS: dict[str, Callable[..., Tensor]] = {"imagenet": imagenet, "cifar": cifar}
