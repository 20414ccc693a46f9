"""Grouped convolution for every backend that needs nothing of its own."""

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
