"""Training squares cut out of many JPEGs by one compiled operation: what is cut image by image, in less time."""

import functools
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training.augmentation import Numbers, Stream
from kres.training.augmentation.image import FLIPPED_BELOW, flips_alone, random_flip
from kres.training.data import compiled
from kres.training.data.crops import RATIOS, RESIZES, BoxOf, Crop, crop_of, decode_region
from kres.training.data.source import Read, Split
from kres.training.settings import Augmentation

logger = logging.getLogger(__name__)

VARIABLE = "KRES_COMPILED"
INTERPOLATION = "bilinear"
AT_ONCE = 16
"""Images of a call: so many that little but decoding counts, so few that files in waiting take little memory."""
SOURCE = Path(compiled.__file__).with_name("jpegs.cc")

Inputs = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""A file's bytes (), the numbers (k,) of its crop and that () of its flip; or a chunk (n, ...) of them."""


@dataclass(frozen=True, kw_only=True)
class Squares:
    """Cuts the squares of training, flipped where `flip` is on: (s, s, 3) uint8 of `size` pixels."""

    operations: ModuleType
    encoded: Read
    crop: Crop
    size: int
    flip: bool

    def inputs(self, index: tf.Tensor, numbers: Numbers) -> Inputs:
        """What there is to cut of the image at `index` () of the split."""
        flip = numbers.uniform(Stream.FLIP) if self.flip else tf.constant(1.0)
        return self.encoded(index), numbers.uniform(Stream.CROP, self.crop.numbers), flip

    def cut(self, inputs: Inputs) -> tf.Tensor:
        """The squares (n, s, s, 3) of a chunk: one by one where it holds another file than a common JPEG."""
        encoded, uniform, flip = inputs
        sides = tf.ensure_shape(self.operations.kres_jpeg_sides(contents=encoded), (None, 2))
        boxes = self.crop.box(sides, uniform)
        spare = tf.reduce_min(boxes[:, 2:], axis=1) // self.size
        common = tf.reduce_all(sides > 0) & tf.reduce_all(spare < 2 * RATIOS[-1])

        def at_once() -> tf.Tensor:
            flips = flip < FLIPPED_BELOW
            return self.operations.kres_jpeg_squares(contents=encoded, boxes=boxes, flips=flips, size=self.size)

        squares = tf.cond(common, at_once, lambda: tf.map_fn(self._alone, inputs, fn_output_signature=tf.uint8))
        return tf.ensure_shape(squares, (None, self.size, self.size, 3))

    def batches(self, examples: tf.data.Dataset, size: int) -> tf.data.Dataset:
        """Whole batches of `size` of `examples`, tuples that begin with `inputs`, with the squares in their place."""

        @tf.autograph.experimental.do_not_convert
        def with_squares(inputs: Inputs, *others: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return self.cut(inputs), *others

        chunks = examples.batch(AT_ONCE).map(with_squares, num_parallel_calls=tf.data.AUTOTUNE)
        return chunks.rebatch(size, drop_remainder=True)

    def _alone(self, inputs: Inputs) -> tf.Tensor:
        encoded, uniform, flip = inputs
        region = decode_region(encoded, lambda sides: self.crop.box(sides, uniform), size=self.size)
        return random_flip(RESIZES[INTERPOLATION](region, self.size), flip)


def squares_of(split: Split, *, preprocess: Preprocess, augmentation: Augmentation, flip: bool) -> Squares | None:
    """The squares of a split's files, or None where it is no files, or where more is done with them image by image."""
    crop = crop_of(augmentation, size=preprocess.size)
    if crop is None or split.encoded is None or not flips_alone(augmentation):
        return None
    if preprocess.interpolation != INTERPOLATION:
        return None
    operations = jpeg_operations()
    if operations is None:
        return None
    return Squares(operations=operations, encoded=split.encoded, crop=crop, size=preprocess.size, flip=flip)


@functools.cache
def jpeg_operations() -> ModuleType | None:
    """The compiled operations, proven; None where they cannot be had, which is logged once, or are not wanted."""
    if os.environ.get(VARIABLE) == "0":
        return None
    try:
        # As tf.data computes: at once, and on the CPU, since a GPU's resize would round otherwise.
        with tf.init_scope(), tf.device("CPU:0"):
            return compiled.build(SOURCE, _prove)
    except compiled.NotBuiltError as error:
        logger.warning("JPEGs are cut by TensorFlow's operations, which takes about half as long again: %s", error)
        return None


def _prove(operations: ModuleType) -> None:
    """Raise NotBuiltError unless the operations give TensorFlow's pixels: another decoder may have been found here."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    encoded = tf.io.encode_jpeg(noise, quality=90)
    for size, box in ((20, (3, 5, 50, 70)), (48, (0, 17, 60, 63))):
        found = operations.kres_jpeg_squares(contents=[encoded], boxes=[box], flips=[False], size=size)[0]
        region = decode_region(encoded, _always(box), size=size)
        if not np.array_equal(found, RESIZES[INTERPOLATION](region, size)):
            raise compiled.NotBuiltError("the pixels that they give are not TensorFlow's")


def _always(box: tuple[int, ...]) -> BoxOf:
    return lambda _: tf.constant(box)
