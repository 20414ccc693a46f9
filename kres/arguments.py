"""What `build` is given, checked before anything is made of it."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import keras

from kres.preprocessing import Preprocess
from kres.specs import Spec

Tensor = Any


def checked_classes(classes: Any) -> int:
    """The number of classes; ValueError unless it is an integer of at least 1."""
    if not _is_count(classes):
        raise ValueError(f"`classes` is an integer of at least 1. Received: classes={classes!r}")
    return int(classes)


def _is_count(value: Any) -> bool:
    """Whether `value` is an integer of at least 1: Python's or, as `labels.max() + 1` gives, NumPy's."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= 1


def checked_shape(
    shape: Any, input_tensor: Tensor, *, include_top: bool, spec: Spec
) -> tuple[int | None, int | None, int]:
    """(h, w, c) of the input, from whichever argument says it.

    ValueError for what is no shape, for sides under the network's stride, and for two arguments that disagree.
    """
    if input_tensor is not None:
        if not keras.utils.is_keras_tensor(input_tensor):
            raise ValueError(f"`input_tensor` is a symbolic Keras tensor. Received: {type(input_tensor).__name__}")
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
    if len(sides) != 3 or not _is_count(sides[-1]):
        raise ValueError(f"`input_shape` is (height, width, channels), channels known. Received: {shape!r}")
    if any(side is not None and (not _is_count(side) or side < spec.stride) for side in sides[:2]):
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
