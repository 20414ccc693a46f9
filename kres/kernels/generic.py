"""Grouped convolution and fake quantization for every backend that needs nothing of its own."""

from typing import Any

import keras

from kres.kernels.shapes import check_grouped_conv2d


def grouped_conv2d(
    inputs: Any,
    kernel: Any,
    *,
    strides: tuple[int, int],
    padding: str,
    dilation_rate: tuple[int, int],
    groups: int,
) -> Any:
    """Convolve (n, h, w, c) with a kernel (kh, kw, c / groups, out) into (n, h', w', out) by Keras's own operation.

    ValueError when the shapes do not fit `groups`, or when the input is too small for the kernel.
    """
    check_grouped_conv2d(inputs, kernel, padding=padding, dilation_rate=dilation_rate, groups=groups)
    return keras.ops.conv(
        inputs,
        kernel,
        strides=list(strides),
        padding=padding,
        data_format="channels_last",
        dilation_rate=dilation_rate,
    )


def fake_quantize(inputs: Any, low: Any, high: Any, *, per_channel: bool = False, narrow: bool = False) -> Any:
    """Round `inputs` to 256 steps between `low` and `high`, shifted so that 0 is one of them; in `narrow`, 255 steps.

    The bounds, `low` <= 0 <= `high`, are () or, with `per_channel`, one a channel of the last axis, (c,). The gradient
    passes where the input lies between them, and goes to the nearer bound where it does not.
    """
    ops = keras.ops
    low, high = ops.convert_to_tensor(low), ops.convert_to_tensor(high)
    channels = (inputs.shape[-1],) if per_channel else ()
    if not tuple(low.shape) == tuple(high.shape) == channels:
        raise ValueError(
            f"The bounds of a range have the shape {channels}. Received: low.shape={tuple(low.shape)}, "
            f"high.shape={tuple(high.shape)}, per_channel={per_channel}"
        )
    steps = 254.0 if narrow else 255.0
    step = (high - low) / steps
    below = ops.clip(ops.round(-low / step), 0.0, steps)
    # The bounds that put 0 on a step; a gradient reaches those given.
    bottom = low + ops.stop_gradient(-below * step - low)
    top = high + ops.stop_gradient((steps - below) * step - high)
    clipped = ops.minimum(ops.maximum(inputs, bottom), top)
    rounded = ops.floor((clipped - bottom) / step + 0.5) * step + bottom
    return clipped + ops.stop_gradient(rounded - clipped)


def extremes(inputs: Any) -> tuple[Any, Any]:
    """The least and the greatest value."""
    return keras.ops.min(inputs), keras.ops.max(inputs)


def kept_float(inputs: Any) -> Any:
    """The inputs, for a converter to see that what is before stays in float32: the one that asks is TensorFlow's."""
    return inputs
