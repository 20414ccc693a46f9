"""How training cuts a square out of an image: at random places of the encoded file, so that the rest is not decoded."""

from collections.abc import Callable

import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training.augmentation import Numbers, Stream, boxes
from kres.training.data.source import EXACT_DCT, Split, decode, is_jpeg
from kres.training.settings import Augmentation

BoxOf = Callable[[tf.Tensor], tf.Tensor]
"""From an image's sides (height, width) int32 to a box (top, left, height, width) int32 within it."""

RATIOS = (1, 2, 4, 8)
"""By how much libjpeg reduces an image in the inverse cosine transform, in place of a resize afterwards."""


def read_square(
    split: Split, index: tf.Tensor, numbers: Numbers, *, preprocess: Preprocess, augmentation: Augmentation
) -> tf.Tensor:
    """The image at `index` () as training crops it: (s, s, 3) uint8, s being the size that `preprocess` has."""
    size = preprocess.size
    box_of = _box_of(numbers, augmentation=augmentation, size=size)
    if box_of is None:
        image = preprocess.image_to_square(split.read(index))
        return random_shift(image, numbers.uniform(Stream.CROP, 2), padding=augmentation.padding_px)
    if split.encoded is None:
        region = _cut(split.read(index), box_of)
    else:
        region = decode_region(split.encoded(index), box_of, size=size)
    return RESIZES[preprocess.interpolation](region, size)


def check_crop(augmentation: Augmentation, *, size: int) -> None:
    """ValueError where a random crop of `size` could be larger than the resized image that it is taken from."""
    if augmentation.crop == "random_side" and augmentation.side_px[0] < size:
        raise ValueError(
            f"side_px must begin at the training size, {size} pixels, or above. "
            f"Received: side_px={augmentation.side_px!r}"
        )


def _box_of(numbers: Numbers, *, augmentation: Augmentation, size: int) -> BoxOf | None:
    """The random box that the crop takes, or None where it takes the middle as evaluation does."""
    match augmentation.crop:
        case "random_area":
            uniform = numbers.uniform(Stream.CROP, boxes.AREA_NUMBERS)
            return lambda sides: boxes.random_area(sides, uniform, area=augmentation.area, aspect=augmentation.aspect)
        case "random_side":
            uniform = numbers.uniform(Stream.CROP, boxes.SIDE_NUMBERS)
            return lambda sides: boxes.random_side(sides, uniform, side_px=augmentation.side_px, size=size)
        case _:
            return None


def random_shift(image: tf.Tensor, numbers: tf.Tensor, *, padding: int) -> tf.Tensor:
    """He et al. 2015, section 4.2: `padding` zero pixels on each side, then a random crop of the old size.

    Image (h, w, c); numbers (2,) in [0, 1) choose row and column.
    """
    if not padding:
        return image
    padded = tf.pad(image, [[padding, padding], [padding, padding], [0, 0]])
    offsets = tf.cast(numbers * (2 * padding + 1), tf.int32)
    return tf.slice(padded, tf.concat([offsets, [0]], axis=0), image.shape)


def decode_region(encoded: tf.Tensor, box_of: BoxOf, *, size: int) -> tf.Tensor:
    """The pixels (h, w, 3) uint8 of a random box of an image file's bytes ().

    Of a JPEG no more is decoded than the box needs, and that at a half, a quarter or an eighth of its resolution where
    the box still has `size` pixels on each side then.
    """
    region = tf.cond(
        is_jpeg(encoded),
        lambda: _decode_jpeg_region(encoded, box_of, size=size),
        lambda: _cut(decode(encoded), box_of),
    )
    return tf.ensure_shape(region, (None, None, 3))


def _decode_jpeg_region(encoded: tf.Tensor, box_of: BoxOf, *, size: int) -> tf.Tensor:
    box = box_of(tf.io.extract_jpeg_shape(encoded)[:2])
    spare = tf.reduce_min(box[2:]) // size
    reduction = tf.reduce_sum(tf.cast(spare >= RATIOS[1:], tf.int32))

    def decoded(ratio: int) -> Callable[[], tf.Tensor]:
        return lambda: tf.raw_ops.DecodeAndCropJpeg(
            contents=encoded,
            crop_window=box // ratio,
            channels=3,
            ratio=ratio,
            dct_method=EXACT_DCT,
        )

    return tf.switch_case(reduction, [decoded(ratio) for ratio in RATIOS])


def _cut(image: tf.Tensor, box_of: BoxOf) -> tf.Tensor:
    box = box_of(tf.shape(image)[:2])
    return tf.slice(image, tf.concat([box[:2], [0]], axis=0), tf.concat([box[2:], [3]], axis=0))


def _bilinear(image: tf.Tensor, size: int) -> tf.Tensor:
    # The only kernel that reads and writes bytes; its weights are multiples of 2 ** -11.
    resized, _, _ = tf.raw_ops.QuantizedResizeBilinear(
        images=tf.bitcast(image, tf.quint8)[None], size=(size, size), min=0.0, max=255.0, half_pixel_centers=True
    )
    return tf.bitcast(resized[0], tf.uint8)


def _bicubic(image: tf.Tensor, size: int) -> tf.Tensor:
    resized = tf.image.resize(image, (size, size), method="bicubic")
    return tf.cast(tf.clip_by_value(resized + 0.5, 0.0, 255.0), tf.uint8)


def _nearest(image: tf.Tensor, size: int) -> tf.Tensor:
    return tf.image.resize(image, (size, size), method="nearest")


# Not antialiased: a JPEG's box is less than twice as large as the square by then.
RESIZES = {"bilinear": _bilinear, "bicubic": _bicubic, "nearest": _nearest}
