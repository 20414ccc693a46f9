"""Grouped convolution for every backend that needs nothing of its own."""

from typing import Any

import keras


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

    Keras reads the groups off the shapes; ValueError when `groups` says something else.
    """
    if inputs.shape[-1] != kernel.shape[-2] * groups:
        raise ValueError(
            "The kernel's input channels times `groups` must equal the input's channels. "
            f"Received: inputs.shape={tuple(inputs.shape)}, kernel.shape={tuple(kernel.shape)}, groups={groups}"
        )
    return keras.ops.conv(
        inputs,
        kernel,
        strides=list(strides),
        padding=padding,
        data_format="channels_last",
        dilation_rate=dilation_rate,
    )
