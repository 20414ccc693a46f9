"""PIL's antialiased resize with a centre crop, to the last bit, for Keras's backends and for tf.data.

PIL convolves with an interpolation kernel, widened by the factor of a reduction, along one side, rounds to grey levels,
and convolves along the other, with weights in multiples of 2 ** -22 (Pillow 13, src/libImaging/Resample.c, 8 bits).
Here each weight is the sum of two limbs of 11 bits. Their products with 8-bit pixels add up in float32 without
rounding, in any order and in the reduced precision of an accelerator's matrix units too: so every backend agrees.

On a CPU the time goes into moving pixels. So they are bytes wherever they are not multiplied; and the axes n, h, w, c
stand in a ring, which is turned to bring a side to the front: that transposes a matrix, cheaper than any other order.
"""

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

Tensor = Any
Side = Any
"""A height or width in pixels: an int, or a tensor () where a TensorFlow graph does not know it yet."""
Ops = Any
"""Array functions under the names that `keras.ops` gives them."""

_LIMB = 2.0**11
_BLOCK = 8
"""Neighbouring outputs that share one window of inputs: dense enough for a matrix product, with few zeros in it."""

_NUMPY = SimpleNamespace(
    abs=np.abs, arange=np.arange, cast=np.asarray, ceil=np.ceil, floor=np.floor,
    max=np.max, maximum=np.maximum, min=np.min, minimum=np.minimum, sign=np.sign, stack=np.stack, sum=np.sum,
    where=np.where,
)  # fmt: skip


@cache
def tensorflow_ops() -> Ops:
    """TensorFlow's functions under `keras.ops`' names: tf.data needs them whatever Keras's own backend is."""
    import tensorflow as tf

    def shape(x: Tensor) -> tuple[Side, ...]:
        return tuple(tf.shape(x)[axis] if side is None else side for axis, side in enumerate(x.shape))

    return SimpleNamespace(
        abs=tf.abs, arange=tf.range, cast=tf.cast, ceil=tf.math.ceil, clip=tf.clip_by_value,
        flip=lambda x, axis: tf.reverse(x, [axis]), floor=tf.floor, matmul=tf.matmul, max=tf.reduce_max,
        maximum=tf.maximum, min=tf.reduce_min, minimum=tf.minimum, reshape=tf.reshape, round=tf.round, shape=shape,
        sign=tf.sign, stack=tf.stack, sum=tf.reduce_sum, take=tf.gather, transpose=tf.transpose, where=tf.where,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """An interpolation as weights over the distance to the sampled point, in pixels of the coarser image."""

    weights: Any
    radius: float
    antialias: bool = True


def _linear(x: Tensor, ops: Ops) -> Tensor:
    return ops.maximum(1.0 - ops.abs(x), 0.0)


def _cubic(x: Tensor, ops: Ops) -> Tensor:
    """Keys 1981 with a = -1/2."""
    x = ops.minimum(ops.abs(x), 2.0)
    return ops.where(x < 1.0, (1.5 * x - 2.5) * x * x + 1.0, ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0)


def _nearest(x: Tensor, ops: Ops) -> Tensor:
    return ops.cast((x > -0.5) & (x <= 0.5), "float64")


KERNELS = {
    "bilinear": Kernel(weights=_linear, radius=1.0),
    "bicubic": Kernel(weights=_cubic, radius=2.0),
    "nearest": Kernel(weights=_nearest, radius=0.5, antialias=False),
}


def resize_and_crop(images: Tensor, *, shorter: int, size: int, interpolation: str, ops: Ops) -> Tensor:
    """Resize the shorter side to `shorter` pixels, keep the ratio, and cut the central `size` by `size` out.

    Images (n, h, w, c) of whole grey levels 0..255, uint8 or float32; the result (n, size, size, c) is uint8. The
    longer side is rounded down and the crop's odd pixel goes to the even offset, as torchvision's `Resize` and
    `CenterCrop` do. Nothing outside the crop is computed.
    """
    count, *sides, channels = ops.shape(images)
    known = all(isinstance(side, int) for side in sides)
    if known and sides == [size, size] and shorter == size:
        return ops.cast(images, "uint8")
    on = _NUMPY if known else ops
    lengths = on.cast(on.stack(sides), "int64")
    targets = lengths * shorter // on.min(lengths)
    index, weights = _taps(lengths, targets=targets, size=size, kernel=KERNELS[interpolation], ops=on)
    begin, end = index[:, 0, 0], index[:, -1, -1] + 1
    first, second = _order(lengths - targets, ops=on)
    x = images[:, begin[0] : end[0], begin[1] : end[1]]
    index = index - begin[:, None, None]
    height, region = end[0] - begin[0], end - begin
    x = _turn(ops.cast(x, "uint8"), on.where(first == 1, count * height, count), ops=ops)
    x = _convolve(x, region[first], index[first], weights[first], ops=ops)[:size]
    x = _turn(x, on.where(first == 1, size * channels * count, size), ops=ops)
    x = _convolve(x, region[second], index[second], weights[second], ops=ops)[:size]
    x = _turn(x, on.where(first == 1, size * size * channels, size * channels), ops=ops)
    return ops.reshape(x, (count, size, size, channels))


def _turn(x: Tensor, places: Side, *, ops: Ops) -> Tensor:
    """The ring of axes n, h, w, c turned on by its first ones, which have so many `places` together: as a matrix."""
    return ops.transpose(ops.reshape(x, (places, -1)), (1, 0))


def _order(reductions: Tensor, *, ops: Ops) -> tuple[Side, Side]:
    """Which of height (0) and width (1) PIL convolves first, and which second, by the pixels (2,) that they lose.

    Width first, always so before Pillow 13; height first where that makes tall pictures cheaper.
    """
    height, width = reductions[0], reductions[1]
    first = 1 - ops.cast((height > 0) & (height > 2 * width), "int32")
    if ops is _NUMPY:
        first = int(first)
    return first, 1 - first


def _taps(lengths: Tensor, *, targets: Tensor, size: int, kernel: Kernel, ops: Ops) -> tuple[Tensor, Tensor]:
    """What the central `size` outputs of two sides of `lengths` (2,), resized to `targets` (2,), are made of.

    Outputs come in blocks of neighbours that share a window of inputs: the inputs' places (2, blocks, window) int32,
    and the high and the low limbs of their weights (2, limbs, blocks, outputs, window) float32, in units of 2 ** -11.
    """
    spare = targets - size
    start = ops.cast((spare + spare // 2 % 2) // 2, "float64")  # half of it, an odd number's half rounded to even
    lengths = ops.cast(lengths, "float64")
    scale = lengths / ops.cast(targets, "float64")
    widening = ops.maximum(scale, 1.0) if kernel.antialias else 0.0 * scale + 1.0
    reach = kernel.radius * widening
    blocks = -(-size // _BLOCK)
    block = -(-size // blocks)
    outputs = np.minimum(np.arange(blocks * block), size - 1).reshape(blocks, block)
    centres = (start[:, None, None] + outputs + 0.5) * scale[:, None, None]
    begin = ops.maximum(ops.floor(centres[:, :, :1] - reach[:, None, None] + 0.5), 0.0)
    window = ops.max(ops.minimum(ops.ceil((block - 1) * scale + 2 * reach) + 1.0, lengths))
    inputs = begin + ops.arange(window)
    last = lengths[:, None, None] - 1.0
    distances = inputs[:, :, None] + 0.5 - centres[..., None]
    weights = kernel.weights(distances / widening[:, None, None, None], ops)
    weights = weights * ops.cast(inputs <= last, "float64")[:, :, None]
    weights = weights / ops.sum(weights, -1, keepdims=True) * _LIMB**2
    whole = ops.sign(weights) * ops.floor(ops.abs(weights) + 0.5)
    high = ops.floor(whole / _LIMB + 0.5)
    limbs = ops.stack([high, whole / _LIMB - high], 1)
    return ops.cast(ops.minimum(inputs, last), "int32"), ops.cast(limbs, "float32")


def _convolve(x: Tensor, length: Side, index: Tensor, weights: Tensor, *, ops: Ops) -> Tensor:
    """Grey levels of an image whose first axis has `length` places -> (blocks * outputs, ...) along it, uint8."""
    inputs = ops.cast(ops.take(ops.reshape(x, (length, -1)), index, axis=0), "float32")
    # The true sum, rounded down to a multiple of 2 ** -11: float32 holds it and the half that rounds it up.
    sums = ops.matmul(weights[0], inputs) + ops.floor(ops.matmul(weights[1], inputs))
    levels = ops.cast(ops.clip(sums * (1 / _LIMB) + 0.5, 0.0, 255.0), "uint8")
    _, blocks, outputs, _ = weights.shape
    return ops.reshape(levels, (blocks * outputs, -1))
