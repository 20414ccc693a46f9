"""Random boxes within an image: where to cut, and what to erase."""

import math

import tensorflow as tf

TRIES = 10
AREA_NUMBERS = 2 * TRIES + 2
SIDE_NUMBERS = 3


def random_area(
    sides: tf.Tensor, numbers: tf.Tensor, *, area: tuple[float, float], aspect: tuple[float, float]
) -> tf.Tensor:
    """A box (top, left, height, width) int32 of a random share of an image of `sides` (height, width) int32.

    The share is uniform in `area`, width over height log-uniform in `aspect` (Szegedy et al. 2015; torchvision's
    RandomResizedCrop): the first of ten tries that fits, else the largest central box whose aspect is allowed.
    Numbers (22,) lie in [0, 1). Of sides (n, 2) and numbers (n, 22) there are boxes (n, 4).
    """
    sides = tf.cast(sides, tf.float32)
    shares = area[0] + (area[1] - area[0]) * numbers[..., :TRIES]
    low, high = math.log(aspect[0]), math.log(aspect[1])
    stretch = tf.exp((low + (high - low) * numbers[..., TRIES : 2 * TRIES]) / 2)
    root = tf.sqrt(shares * (sides[..., :1] * sides[..., 1:]))
    tries = tf.round(tf.stack([root / stretch, root * stretch], axis=-1))
    fits = tf.reduce_all((tries >= 1) & (tries <= sides[..., None, :]), axis=-1)
    last = tf.minimum(sides, tf.maximum(tf.round(sides[..., ::-1] * [1 / aspect[0], aspect[1]]), 1.0))
    sizes = tf.concat([tries, last[..., None, :]], axis=-2)
    first = tf.argmax(tf.concat([fits, tf.ones_like(fits[..., :1])], axis=-1), axis=-1, output_type=tf.int32)
    size = tf.gather(sizes, first, axis=-2, batch_dims=first.shape.rank)
    spare = sides - size
    place = tf.floor(numbers[..., 2 * TRIES :] * (spare + 1))
    place = tf.where(first[..., None] < TRIES, place, tf.floor(spare / 2))
    return tf.cast(tf.concat([place, size], axis=-1), tf.int32)


def random_side(sides: tf.Tensor, numbers: tf.Tensor, *, side_px: tuple[int, int], size: int) -> tf.Tensor:
    """The box (top, left, height, width) int32 that becomes a random `size` by `size` crop of a resized image.

    The shorter of `sides` (2,) int32 is resized to a length uniform in `side_px`, both ends included (He et al. 2015,
    section 3.4). Numbers (3,) lie in [0, 1). Of sides (n, 2) and numbers (n, 3) there are boxes (n, 4).
    """
    lowest, highest = side_px
    length = lowest + tf.floor(numbers[..., :1] * (highest - lowest + 1))
    sides = tf.cast(sides, tf.float32)
    edge = tf.maximum(tf.round(size * tf.reduce_min(sides, axis=-1, keepdims=True) / length), 1.0)
    place = tf.floor(numbers[..., 1:] * (sides - edge + 1))
    return tf.cast(tf.concat([place, edge, edge], axis=-1), tf.int32)
