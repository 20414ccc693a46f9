"""How training cuts a square out of an image: at random places of the encoded file, so that the rest is not decoded."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from kres.imagefiles import EXACT_DCT, is_jpeg
from kres.preprocessing import Preprocess
from kres.training.augmentation import Numbers, Stream, boxes
from kres.training.data.source import Split
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
    crop = crop_of(augmentation, size=size)
    if crop is None:
        image = preprocess.image_to_square(split.read(index))
        return random_shift(image, numbers.uniform(Stream.CROP, 2), padding=augmentation.padding_px)
    uniform = numbers.uniform(Stream.CROP, crop.numbers)

    def box_of(sides: tf.Tensor) -> tf.Tensor:
        return crop.box(sides, uniform)

    if split.encoded is None:
        image = split.read(index)
        region = _cut(image, box_of(tf.shape(image)[:2]), size)
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


@dataclass(frozen=True)
class Crop:
    """A random crop: `box` gives it from an image's sides (2,) int32 and so many `numbers` (k,) in [0, 1)."""

    numbers: int
    box: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def crop_of(augmentation: Augmentation, *, size: int) -> Crop | None:
    """The random crop of `size` pixels in training, or None where it takes the middle as evaluation does."""
    match augmentation.crop:
        case "random_area":
            box = partial(boxes.random_area, area=augmentation.area, aspect=augmentation.aspect)
            return Crop(boxes.AREA_NUMBERS, box)
        case "random_side":
            return Crop(boxes.SIDE_NUMBERS, partial(boxes.random_side, side_px=augmentation.side_px, size=size))
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

    A box of twice `size` pixels and more on each side is reduced, so that a resize to `size` meets no more than it
    can tell apart. Of a JPEG no more is decoded than the box needs, and that at a half, a quarter or an eighth of its
    resolution where the box still has `size` pixels on each side then.

    Pixels are those of the exact transform and of smooth chroma, as PIL's are. On boxes of photographs of 500 x 375
    pixels the fast transform was 0.8 grey levels darker, and chroma left unsmoothed 1.2 levels off, for no time that
    could be told from noise (AMD EPYC, AVX-512): most goes to the Huffman codes of all rows down to the box's last.
    """
    jpeg = is_jpeg(encoded)

    def header() -> tuple[tf.Tensor, tf.Tensor]:
        return tf.io.extract_jpeg_shape(encoded)[:2], tf.zeros((0, 0, 3), tf.uint8)

    def whole() -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return tf.shape(image)[:2], image

    sides, image = tf.cond(jpeg, header, whole)
    box = box_of(sides)
    spare = tf.reduce_min(box[2:]) // size
    reduction = tf.reduce_sum(tf.cast(spare >= RATIOS[1:], tf.int32))

    def decoded(ratio: int) -> Callable[[], tf.Tensor]:
        return lambda: tf.raw_ops.DecodeAndCropJpeg(
            contents=encoded, crop_window=box // ratio, channels=3, ratio=ratio, dct_method=EXACT_DCT
        )

    *scaled, smallest = map(decoded, RATIOS)
    ways = [*scaled, lambda: _reduced(smallest(), size), lambda: _cut(image, box, size)]
    region = tf.switch_case(tf.where(jpeg, reduction, len(RATIOS)), ways)
    return tf.ensure_shape(region, (None, None, 3))


def _cut(image: tf.Tensor, box: tf.Tensor, size: int) -> tf.Tensor:
    return _reduced(tf.slice(image, tf.concat([box[:2], [0]], axis=0), tf.concat([box[2:], [3]], axis=0)), size)


def _reduced(image: tf.Tensor, size: int) -> tf.Tensor:
    """`image` with blocks of its pixels averaged, as large ones as leave `size` pixels on each side."""
    sides = tf.shape(image)[:2]
    block = tf.maximum(tf.reduce_min(sides) // size, 1)
    reduced = tf.cond(block > 1, lambda: _rounded(tf.image.resize(image, sides // block, method="area")), lambda: image)
    return tf.ensure_shape(reduced, (None, None, 3))


def _rounded(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(pixels + 0.5, tf.uint8)


def _resized(image: tf.Tensor, size: int, method: str) -> tf.Tensor:
    # TensorFlow's kernel casts a grey level anew each time that it meets it: cast before, it takes half the time.
    return tf.image.resize(tf.cast(image, tf.float32), (size, size), method=method)


def _bilinear(image: tf.Tensor, size: int) -> tf.Tensor:
    # It stays within the grey levels by itself, so nothing has to be cut off.
    return _rounded(_resized(image, size, "bilinear"))


def _bicubic(image: tf.Tensor, size: int) -> tf.Tensor:
    return _rounded(tf.clip_by_value(_resized(image, size, "bicubic"), 0.0, 255.0))


def _nearest(image: tf.Tensor, size: int) -> tf.Tensor:
    return tf.image.resize(image, (size, size), method="nearest")


# Not antialiased: by then the box's shorter side is less than twice as long as the square's.
RESIZES = {"bilinear": _bilinear, "bicubic": _bicubic, "nearest": _nearest}
