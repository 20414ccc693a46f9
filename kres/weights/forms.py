"""The forms in which sources keep kernels, and Keras's form of each: rows of one table."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]
# The axes of PyTorch's kernels in the order that Keras wants them, by rank; grouped kernels are no exception.
_TORCH_TO_KERAS = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (2, 3, 1, 0)}


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form of a kernel. A shape of another rank than it has stays as it is."""

    shape: Callable[[Shape], Shape]
    """Shape of the file's tensor -> shape in Keras's form."""
    value: Callable[[np.ndarray], np.ndarray]
    """The tensor in Keras's form."""
    back: Callable[[np.ndarray], np.ndarray] | None = None
    """A kernel in Keras's form -> the tensor; None for forms that kres does not write."""
    constant: Callable[[Shape], np.ndarray] | None = None
    """Shape of the kernel in Keras's form -> the values of a second tensor, which says nothing more."""


def _from_torch(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(_TORCH_TO_KERAS[kernel.ndim])


def _to_torch(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(np.argsort(_TORCH_TO_KERAS[kernel.ndim]))


def _from_torch_shape(shape: Shape) -> Shape:
    return tuple(shape[axis] for axis in _TORCH_TO_KERAS.get(len(shape), range(len(shape))))


def _from_depthwise(kernel: np.ndarray) -> np.ndarray:
    """(h, w, out, c) -> (h, w, c, out): output channel m of a group sums what multiplier m makes of its c inputs."""
    height, width, out, c = kernel.shape
    by_group = kernel.reshape(height, width, out // c, c, c)  # ..., group, input, output
    return by_group.transpose(0, 1, 3, 2, 4).reshape(height, width, c, out)


def _from_depthwise_shape(shape: Shape) -> Shape:
    return (*shape[:2], shape[3], shape[2]) if len(shape) == 4 else shape


def _sum_of_depthwise(shape: Shape) -> np.ndarray:
    """The kernel (1, 1, out * c, out) that adds up the channels of a depthwise convolution group by group."""
    c, out = shape[2:]
    kernel = np.zeros((out // c, c, c, out // c, c), "float32")  # group, input, output; group, output
    group, output = np.ogrid[: out // c, :c]
    kernel[group, :, output, group, output] = 1
    return kernel.reshape(1, 1, out * c, out)


FORMS: dict[str, Form] = {
    "keras": Form(shape=lambda shape: shape, value=lambda kernel: kernel, back=lambda kernel: kernel),
    "torch": Form(shape=_from_torch_shape, value=_from_torch, back=_to_torch),
    # A dense layer kept as a 1x1 convolution.
    "torch_1x1": Form(shape=_from_torch_shape, value=_from_torch, back=lambda kernel: _to_torch(kernel[None, None])),
    # A grouped convolution before Keras had one: a depthwise one with c outputs for each input, then the sums.
    "depthwise": Form(
        shape=_from_depthwise_shape,
        value=_from_depthwise,
        constant=_sum_of_depthwise,
    ),
}


def adapted_channels(kernel: np.ndarray, *, channels: int) -> np.ndarray:
    """A kernel (h, w, c, out) for images of another number of channels than c.

    One channel gets the sum, so that a grey image gives what it gave as c equal channels; more, or fewer, get the c in
    turn, times c over their number: timm's `adapt_input_conv`.
    """
    c = kernel.shape[2]
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return kernel[:, :, np.arange(channels) % c] * np.float32(c / channels)
