"""What `build` is given, checked before anything is made of it."""

from collections.abc import Iterable
from numbers import Real
from typing import Any

import keras

from kres.preprocessing import Preprocess
from kres.specs import Spec, is_count
from kres.stages import DILATION_RULES, DilationRule, Resolution, output_strides

Tensor = Any


def checked_classes(classes: Any) -> int:
    """The number of classes; ValueError unless it is an integer of at least 1."""
    if not is_count(classes):
        raise ValueError(f"`classes` is an integer of at least 1. Received: classes={classes!r}")
    return int(classes)


def check_flags(**flags: Any) -> None:
    """ValueError unless each of these arguments is True or False."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f"`{name}` is True or False. Received: {name}={value!r}")


def checked_drop_path(rate: Any, *, spec: Spec) -> float:
    """The share of branches to leave out; ValueError unless it is at least 0 and below 1, and 0 in a plain net."""
    rate = _checked_share("drop_path", rate)
    if rate and spec.shortcut == "none":
        raise ValueError(f"A plain net has no shortcut, so no branch can be left out. Received: drop_path={rate!r}")
    return rate


def checked_dropout(rate: Any, *, include_top: bool) -> float:
    """The share of features to drop; ValueError unless it is at least 0 and below 1, and 0 without a classifier."""
    rate = _checked_share("dropout", rate)
    if rate and not include_top:
        raise ValueError(f"Dropout stands before the classifier. Received: dropout={rate!r}, include_top=False")
    return rate


def _checked_share(name: str, share: Any) -> float:
    if isinstance(share, bool) or not isinstance(share, Real) or not 0 <= float(share) < 1:
        raise ValueError(f"`{name}` is a share, at least 0 and below 1. Received: {name}={share!r}")
    return float(share)


def checked_resolution(output_stride: Any, *, dilation_rule: DilationRule, multigrid: Any, spec: Spec) -> Resolution:
    """The three as a Resolution; ValueError for a stride or rule that is none, or a multigrid of another length."""
    allowed = output_strides(spec)
    if output_stride is not None and (not is_count(output_stride) or output_stride not in allowed):
        raise ValueError(f"`output_stride` is None or one of {allowed}. Received: output_stride={output_stride!r}")
    if dilation_rule not in DILATION_RULES:
        raise ValueError(f"`dilation_rule` is one of {DILATION_RULES}. Received: dilation_rule={dilation_rule!r}")
    if multigrid is not None:
        grid = tuple(multigrid) if isinstance(multigrid, Iterable) else ()
        if len(grid) != spec.depths[-1] or not all(is_count(factor) for factor in grid):
            raise ValueError(
                f"`multigrid` is None or {spec.depths[-1]} positive integers, one for each block of the last stage. "
                f"Received: multigrid={multigrid!r}"
            )
        if output_stride in (None, spec.stride):
            raise ValueError(
                "`multigrid` multiplies the dilations of the last stage: give an `output_stride` that makes some. "
                f"Received: multigrid={multigrid!r}, output_stride={output_stride!r}"
            )
        multigrid = tuple(int(factor) for factor in grid)
    output_stride = None if output_stride is None else int(output_stride)
    return Resolution(output_stride=output_stride, rule=dilation_rule, multigrid=multigrid)


def checked_shape(
    shape: Any, input_tensor: Tensor, *, include_top: bool, spec: Spec
) -> tuple[int | None, int | None, int]:
    """(h, w, c) of the input, from whichever argument says it.

    ValueError for what is no shape, for sides under the network's stride, and for two arguments that disagree.
    """
    if input_tensor is not None:
        if not keras.utils.is_keras_tensor(input_tensor):
            raise ValueError(f"`input_tensor` is a symbolic Keras tensor. Received: {type(input_tensor).__name__}")
        if not keras.backend.is_float_dtype(input_tensor.dtype):
            raise ValueError(
                "`input_tensor` holds floating-point numbers: put keras.layers.Rescaling, or a kres.PreprocessLayer, "
                f"between. Received: input_tensor of dtype {input_tensor.dtype}"
            )
        if shape is not None and tuple(shape) != tuple(input_tensor.shape[1:]):
            raise ValueError(
                "`input_shape` and `input_tensor` disagree. "
                f"Received: input_shape={shape!r}, input_tensor of shape {tuple(input_tensor.shape)}"
            )
        shape = input_tensor.shape[1:]
    if shape is None:
        size = spec.input_size if include_top else None
        shape = (size, size, 3)
    sides = tuple(shape) if isinstance(shape, Iterable) else ()
    if len(sides) != 3 or not is_count(sides[-1]):
        raise ValueError(f"`input_shape` is (height, width, channels), channels known. Received: {shape!r}")
    if any(side is not None and (not is_count(side) or side < spec.stride) for side in sides[:2]):
        raise ValueError(
            f"Height and width are None or at least {spec.stride} pixels, the stride of the network's last stage. "
            f"Received: input_shape={shape!r}"
        )
    height, width, channels = (None if side is None else int(side) for side in sides)
    assert channels is not None
    return height, width, channels


def check_preprocess(preprocess: Any, *, channels: int) -> None:
    """ValueError unless `preprocess` is a Preprocess for images of so many channels."""
    if not isinstance(preprocess, Preprocess):
        raise ValueError(f"`preprocess` is a kres.Preprocess or None. Received: preprocess={preprocess!r}")
    if len(preprocess.mean) != channels:
        raise ValueError(
            f"`preprocess` is for {len(preprocess.mean)} channels, the network for {channels}. "
            f"Received: preprocess={preprocess!r}"
        )


def refuse_channels_first() -> None:
    """ValueError where Keras puts channels before height and width."""
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "kres builds channels_last networks only: call keras.config.set_image_data_format('channels_last') first. "
            f"Received: image_data_format={keras.config.image_data_format()!r}"
        )
