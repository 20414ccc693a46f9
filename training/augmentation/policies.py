"""RandAugment, TrivialAugment and AutoAugment: which operation on an image, and how strongly."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from kres.training.augmentation import operations
from kres.training.augmentation.numbers import Numbers, Stream
from kres.training.settings import Augmentation

Apply = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Operation:
    """An operation with the value that it takes at the lowest and at the highest magnitude."""

    apply: Apply
    low: float = 0.0
    high: float = 0.0
    signed: bool = False
    """Whether every second time the value is negated."""
    least: float = -math.inf
    """Where the value ends; beyond it the operation would turn into another one."""

    def value(self, magnitude: tf.Tensor, *, negated: tf.Tensor) -> tf.Tensor:
        """The value () float32 at `magnitude` (), which is 1 at the end of the range and may lie beyond it."""
        value = self.low + (self.high - self.low) * magnitude
        return tf.maximum(tf.where(negated, -value, value) if self.signed else value, self.least)


def _space(
    *, shear: float, translate: float, by_share: bool, rotate: float, enhance: float, bits: float
) -> dict[str, Operation]:
    """The 14 operations of RandAugment and TrivialAugment, which differ in how far they go."""
    move_x = operations.translate_x_share if by_share else operations.translate_x
    move_y = operations.translate_y_share if by_share else operations.translate_y
    return {
        "identity": Operation(operations.identity),
        "shear_x": Operation(operations.shear_x, 0, shear, signed=True),
        "shear_y": Operation(operations.shear_y, 0, shear, signed=True),
        "translate_x": Operation(move_x, 0, translate, signed=True),
        "translate_y": Operation(move_y, 0, translate, signed=True),
        "rotate": Operation(operations.rotate, 0, rotate, signed=True),
        "brightness": Operation(operations.brightness, 0, enhance, signed=True, least=-enhance),
        "color": Operation(operations.color, 0, enhance, signed=True, least=-enhance),
        "contrast": Operation(operations.contrast, 0, enhance, signed=True, least=-enhance),
        "sharpness": Operation(operations.sharpness, 0, enhance, signed=True, least=-enhance),
        "posterize": Operation(operations.posterize, 8, bits, least=1),
        "solarize": Operation(operations.solarize, 255, 0, least=0),
        "autocontrast": Operation(operations.autocontrast),
        "equalize": Operation(operations.equalize),
    }


# Cubuk et al. 2020, section 3 and AutoAugment's ranges (Cubuk et al. 2019, table 6), as torchvision reads them.
NARROW = _space(shear=0.3, translate=150 / 331, by_share=True, rotate=30, enhance=0.9, bits=4)
# Müller and Hutter 2021, table 1, "Wide".
WIDE = _space(shear=0.99, translate=32, by_share=False, rotate=135, enhance=0.99, bits=2)
AUTOAUGMENT = {**NARROW, "invert": Operation(operations.invert)}

RANGE = 10
"""RandAugment's magnitude at the end of the ranges."""
WIDE_LEVELS = 31
AUTOAUGMENT_LEVELS = 10

# Cubuk et al. 2019, table 9: 25 pairs of (operation, probability, level of 0..9).
IMAGENET_PAIRS = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 0), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 0)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 0)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 0), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("color", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 0)),
    (("equalize", 0.0, 0), ("equalize", 0.8, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("color", 1.0, 2)),
    (("color", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 0)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 0)),
    (("color", 0.4, 0), ("equalize", 0.6, 0)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
)


def randaugment(image: tf.Tensor, numbers: Numbers, augmentation: Augmentation) -> tf.Tensor:
    """`policy_operations` random operations at one magnitude, each with its own noise and chance.

    Ranges go on beyond a magnitude of 10, where noise does not lead (tensorflow/models, vision/ops/augment.py).
    """
    count = augmentation.policy_operations
    kinds, signs, chances = tf.unstack(numbers.uniform(Stream.POLICY, 3, count))
    noise = augmentation.policy_magnitude_std * numbers.normal(Stream.POLICY_NOISE, count)
    magnitude = augmentation.policy_magnitude
    magnitudes = tf.clip_by_value((magnitude + noise) / RANGE, 0.0, max(magnitude / RANGE, 1.0))
    applied = chances < augmentation.policy_probability
    return _apply(image, NARROW, _among(kinds, len(NARROW)), magnitudes, signs < 0.5, applied)


def trivialaugment(image: tf.Tensor, numbers: Numbers, augmentation: Augmentation) -> tf.Tensor:
    """One random operation at a random magnitude."""
    del augmentation  # there is nothing to choose
    kinds, signs, levels = tf.unstack(numbers.uniform(Stream.POLICY, 3, 1))
    magnitudes = tf.cast(_among(levels, WIDE_LEVELS), tf.float32) / (WIDE_LEVELS - 1)
    return _apply(image, WIDE, _among(kinds, len(WIDE)), magnitudes, signs < 0.5, levels >= 0)


def autoaugment(image: tf.Tensor, numbers: Numbers, augmentation: Augmentation) -> tf.Tensor:
    """A random one of the pairs of operations that were found on ImageNet."""
    del augmentation  # there is nothing to choose
    names = list(AUTOAUGMENT)
    table = tf.constant([[(names.index(name), p, level) for name, p, level in pair] for pair in IMAGENET_PAIRS])
    kinds, signs, chances = tf.unstack(numbers.uniform(Stream.POLICY, 3, 2))
    kinds, probabilities, levels = tf.unstack(tf.gather(table, _among(kinds[0], len(IMAGENET_PAIRS))), axis=-1)
    magnitudes = levels / (AUTOAUGMENT_LEVELS - 1)
    return _apply(image, AUTOAUGMENT, tf.cast(kinds, tf.int32), magnitudes, signs < 0.5, chances < probabilities)


POLICIES = {"randaugment": randaugment, "trivialaugment": trivialaugment, "autoaugment": autoaugment}


def _among(numbers: tf.Tensor, count: int) -> tf.Tensor:
    """Whole numbers of 0..count-1 from numbers in [0, 1)."""
    return tf.cast(numbers * count, tf.int32)


def _apply(
    image: tf.Tensor,
    space: dict[str, Operation],
    kinds: tf.Tensor,
    magnitudes: tf.Tensor,
    negated: tf.Tensor,
    applied: tf.Tensor,
) -> tf.Tensor:
    """The operations of `space` numbered by `kinds` (n,), one after the other, where `applied` (n,)."""
    rows = list(space.values())

    def branch(row: Operation, image: tf.Tensor, turn: int) -> Callable[[], tf.Tensor]:
        return lambda: row.apply(image, row.value(magnitudes[turn], negated=negated[turn]))

    for turn in range(kinds.shape[0]):
        branches = [branch(row, image, turn) for row in (*rows, Operation(operations.identity))]
        image = tf.switch_case(tf.where(applied[turn], kinds[turn], len(rows)), branches)
    return image
