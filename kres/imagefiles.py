"""From an image file's bytes to its pixels, inside TensorFlow's graphs: for training, evaluation and served models."""

from typing import Any

RGB = 3
"""Channels of what a file is decoded to."""
JPEG_MAGIC = b"\xff\xd8\xff"
EXACT_DCT = "INTEGER_ACCURATE"
"""Gives PIL's pixels; TensorFlow's default is on average 0.7 grey levels darker, and no faster."""


def decode(encoded: Any) -> Any:
    """A JPEG, PNG, BMP or (first frame of a) GIF file's bytes () as an image (h, w, 3) uint8, with PIL's pixels."""
    import tensorflow as tf

    image = tf.cond(
        is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=RGB, dct_method=EXACT_DCT),
        lambda: tf.io.decode_image(encoded, channels=RGB, expand_animations=False),
    )
    return tf.ensure_shape(image, (None, None, RGB))


def is_jpeg(encoded: Any) -> Any:
    """Whether a file's bytes () begin as a JPEG's do: () bool."""
    import tensorflow as tf

    return tf.strings.substr(encoded, 0, len(JPEG_MAGIC)) == JPEG_MAGIC
