"""The operations of augmentation policies on an image (h, w, 3) uint8, each as PIL has it (ImageOps, ImageEnhance)."""

import math

import numpy as np
import tensorflow as tf

# ITU-R 601-2, as PIL's conversion to grey has it.
LUMA = (19595, 38470, 7471)
# Where each channel's 256 entries begin in a table of all three.
CHANNELS = np.arange(3, dtype=np.int32) * 256


def identity(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """The image itself."""
    return image


def invert(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Each pixel's distance from 255."""
    return 255 - image


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """The highest `bits` of each pixel, rounded to a whole number."""
    dropped = tf.cast(8 - tf.round(bits), tf.uint8)
    return tf.bitwise.left_shift(tf.bitwise.right_shift(image, dropped), dropped)


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Pixels at or above `threshold` inverted."""
    return tf.where(tf.cast(image, tf.float32) < threshold, image, 255 - image)


def autocontrast(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Each channel stretched to 0..255."""
    low, high = (tf.cast(bound(image, axis=(0, 1)), tf.int32) for bound in (tf.reduce_min, tf.reduce_max))
    span = high - low
    stretched = tf.clip_by_value((tf.range(256)[:, None] - low) * 255 // tf.maximum(span, 1), 0, 255)
    return _look_up(image, tf.where(span > 0, stretched, tf.range(256)[:, None]))


def equalize(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Each channel's histogram made flat."""
    pixels = tf.cast(tf.reshape(image, (-1, 3)), tf.int32) + CHANNELS
    counts = tf.reshape(tf.math.bincount(tf.reshape(pixels, [-1]), minlength=768, maxlength=768), (3, 256))
    present = tf.where(counts > 0, tf.range(256), -1)
    brightest = tf.gather(counts, tf.reduce_max(present, axis=1), batch_dims=1)
    step = ((tf.reduce_sum(counts, axis=1) - brightest) // 255)[:, None]
    table = (step // 2 + tf.cumsum(counts, axis=1, exclusive=True)) // tf.maximum(step, 1)
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256))
    return _look_up(image, tf.transpose(table))


def brightness(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """Black blended with the image at 1 + `change`."""
    return _blend(0.0, image, change)


def contrast(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """The mean grey level blended with the image at 1 + `change`."""
    return _blend(tf.floor(tf.reduce_mean(_grey(image)) + 0.5), image, change)


def color(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """The grey image blended with the image at 1 + `change`."""
    return _blend(_grey(image), image, change)


def sharpness(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """The smoothed image (its border as it is) blended with the image at 1 + `change`."""
    pixels = tf.cast(image, tf.float32)[None]
    nine = tf.nn.avg_pool2d(pixels, 3, 1, "VALID") * 9
    inner = tf.floor((tf.round(nine) + 4 * pixels[:, 1:-1, 1:-1]) / 13 + 0.5)
    around = [[0, 0], [1, 1], [1, 1], [0, 0]]
    smooth = tf.where(tf.pad(tf.ones_like(inner), around) > 0, tf.pad(inner, around), pixels)
    return _blend(smooth[0], image, change)


def shear_x(image: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Each row taken `shift` pixels further right than the row above it."""
    return _affine(image, [1.0, shift, 0.0, 0.0, 1.0, 0.0])


def shear_y(image: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Each column taken `shift` pixels further down than the column left of it."""
    return _affine(image, [1.0, 0.0, 0.0, shift, 1.0, 0.0])


def translate_x(image: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """The image taken `pixels` further right, so that it moves to the left."""
    return _affine(image, [1.0, 0.0, pixels, 0.0, 1.0, 0.0])


def translate_y(image: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """The image taken `pixels` further down, so that it moves up."""
    return _affine(image, [1.0, 0.0, 0.0, 0.0, 1.0, pixels])


def translate_x_share(image: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """`translate_x` by a share of the width."""
    return translate_x(image, share * tf.cast(tf.shape(image)[1], tf.float32))


def translate_y_share(image: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """`translate_y` by a share of the height."""
    return translate_y(image, share * tf.cast(tf.shape(image)[0], tf.float32))


def rotate(image: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """The image turned counter-clockwise about its centre."""
    angle = -degrees * (math.pi / 180)
    cos, sin = tf.cos(angle), tf.sin(angle)
    y, x = (tf.cast(side, tf.float32) / 2 for side in tf.unstack(tf.shape(image)[:2]))
    return _affine(image, [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y])


def to_uint8(pixels: tf.Tensor) -> tf.Tensor:
    """Numbers cut off to the whole grey levels of 0..255."""
    return tf.cast(tf.clip_by_value(pixels, 0.0, 255.0), tf.uint8)


def _affine(image: tf.Tensor, matrix: list[tf.Tensor]) -> tf.Tensor:
    """Output (x, y) is the pixel that holds input (ax + by + c, dx + ey + f), both measured to centres; else black."""
    a, b, c, d, e, f = (tf.convert_to_tensor(value, tf.float32) for value in matrix)
    # The kernel counts from the centre of the first pixel.
    transform = [a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2, 0.0, 0.0]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.stack(transform)[None],
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved[0], image.shape)


def _grey(image: tf.Tensor) -> tf.Tensor:
    """(h, w, 1) float32 of whole grey levels."""
    levels = tf.reduce_sum(tf.cast(image, tf.int32) * LUMA, axis=-1, keepdims=True)
    return tf.cast((levels + 0x8000) // 0x10000, tf.float32)


def _blend(other: tf.Tensor | float, image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    pixels = tf.cast(image, tf.float32)
    return to_uint8(other + (1 + change) * (pixels - other))


def _look_up(image: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """`image` with each channel's pixels replaced by what `table` (256, 3) holds for them."""
    flat = tf.reshape(tf.transpose(tf.cast(table, tf.uint8)), [-1])
    return tf.gather(flat, tf.cast(image, tf.int32) + CHANNELS)
