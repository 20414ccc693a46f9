"""What every backend's grouped convolution asks of its shapes."""

from typing import Any


def check_grouped_conv2d(
    inputs: Any, kernel: Any, *, padding: str, dilation_rate: tuple[int, int], groups: int
) -> None:
    """ValueError unless inputs (n, h, w, c) and a kernel (kh, kw, c / groups, out) give an output that is not empty."""
    received = f"inputs.shape={tuple(inputs.shape)}, kernel.shape={tuple(kernel.shape)}"
    if inputs.shape[-1] != kernel.shape[-2] * groups or kernel.shape[-1] % groups:
        raise ValueError(
            "The kernel's input channels times `groups` must equal the input's channels, and its output channels be a "
            f"multiple of `groups`. Received: {received}, groups={groups}"
        )
    # Not left to the backend: TensorFlow's oneDNN kernel answers an empty output with the input, run eagerly.
    reach = [(size - 1) * rate + 1 for size, rate in zip(kernel.shape[:2], dilation_rate, strict=True)]
    if padding == "valid" and any(
        size is not None and size < needed for size, needed in zip(inputs.shape[1:3], reach, strict=True)
    ):
        raise ValueError(
            "The input is too small for the kernel: the convolution's output would be empty. "
            f"Received: {received}, dilation_rate={dilation_rate}, padding={padding!r}"
        )
