"""Augmentation of training images: random numbers keyed by the example's place in the run, pixels left uint8."""

import tensorflow as tf


def draw(position: tf.Tensor, *, seed: int) -> tf.Tensor:
    """Three numbers (3,) float32 in [0, 1), a pure function of the seed and the example's position () in the run."""
    key = tf.stack([tf.constant(seed, tf.int64), position])
    return tf.random.stateless_uniform((3,), seed=key)


def pad_crop_flip(images: tf.Tensor, draws: tf.Tensor, *, padding: int, flip: bool) -> tf.Tensor:
    """He et al. 2015, section 4.2: `padding` zero pixels on each side, a crop of the old size, a flip of every second.

    Images (n, h, w, c); draws (n, 3) in [0, 1) choose row, column and flip of each.
    """
    height, width = images.shape[1:3]
    offsets = tf.cast(draws[:, :2] * (2 * padding + 1), tf.int32)
    rows = offsets[:, :1] + tf.range(height)
    columns = offsets[:, 1:] + tf.range(width)
    if flip:
        columns = tf.where(draws[:, 2:] < 0.5, columns, tf.reverse(columns, axis=[1]))
    padded = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)
