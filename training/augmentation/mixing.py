"""What happens to a batch on the accelerator: random erasing, mixup and cutmix.

The pipeline draws all their numbers and hands them over with the images, a row (k,) an example, so that a batch may be
divided among replicas. Partners are neighbours (2i, 2i + 1): no division into even parts separates them.
"""

import tensorflow as tf

from kres.training.augmentation.boxes import AREA_NUMBERS, random_area
from kres.training.augmentation.numbers import Numbers, Stream
from kres.training.settings import Augmentation

# Zhong et al. 2020, section 4.1, as torchvision has them: share of the area, width over height.
ERASE_AREA = (0.02, 0.33)
ERASE_ASPECT = (0.3, 3.3)
ERASE_NUMBERS = 4
MIX_NUMBERS = 4


def mixes(augmentation: Augmentation) -> bool:
    """Whether pairs of images are mixed."""
    return bool((augmentation.mixup or augmentation.cutmix) and augmentation.mix_probability)


def check_mixing(augmentation: Augmentation, *, batch_size: int, parts: int) -> None:
    """ValueError where equal parts of a batch, each mixed on its own, do not divide into pairs of different images."""
    if not mixes(augmentation):
        return
    if batch_size // parts % 2:
        raise ValueError(
            "mixup and cutmix mix pairs of images, so each part of a batch needs an even number of them. "
            f"Received: batch_size={batch_size} in {parts} part(s)"
        )
    if batch_size // augmentation.repeats < 2:
        raise ValueError(
            "mixup and cutmix need at least two different images in a batch. "
            f"Received: batch_size={batch_size} with repeats={augmentation.repeats}"
        )


def batch_numbers(example: Numbers, step: Numbers, *, augmentation: Augmentation, size: int) -> tf.Tensor:
    """The row (k,) float32 of one example for `augment_batch`; k is 0 when nothing is on."""
    parts = [tf.zeros((0,))]
    if augmentation.erase:
        parts.append(_erase_numbers(example, augmentation, size=size))
    if mixes(augmentation):
        parts.append(_mix_numbers(step, augmentation))
    return tf.concat(parts, axis=0) if len(parts) > 1 else parts[0]


def augment_batch(
    images: tf.Tensor,
    labels: tf.Tensor,
    draws: tf.Tensor,
    *,
    augmentation: Augmentation,
    classes: int,
    mean: tuple[float, ...],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Erase and mix images (b, h, w, c) of 0..255: (b, h, w, c) float32 and targets (b, classes) float32.

    Draws (b, k) are what the pipeline gave with them, labels (b,) whole numbers. Erased pixels become `mean`, of pixels
    in 0..1, which normalisation makes 0.
    """
    images, targets = tf.cast(images, tf.float32), tf.one_hot(labels, classes)
    if augmentation.erase:
        images = _erase(images, draws[:, :ERASE_NUMBERS], fill=255 * tf.constant(mean))
    if mixes(augmentation):
        images, targets = _mix(images, targets, draws[0, -MIX_NUMBERS:])
    return images, targets


def _erase_numbers(example: Numbers, augmentation: Augmentation, *, size: int) -> tf.Tensor:
    """The erased box: top, left, height, width in pixels; without height where nothing is erased."""
    uniform = example.uniform(Stream.ERASE, 1 + AREA_NUMBERS)
    box = random_area(tf.constant((size, size)), uniform[1:], area=ERASE_AREA, aspect=ERASE_ASPECT)
    return tf.where(uniform[0] < augmentation.erase, tf.cast(box, tf.float32), 0.0)


def _mix_numbers(step: Numbers, augmentation: Augmentation) -> tf.Tensor:
    """The first image's share (1: not mixed), whether it is of the area (cutmix), and the box's centre in 0..1."""
    uniform = step.uniform(Stream.MIX, 4)
    chance = {(True, True): augmentation.mix_switch, (False, True): 1.0}.get(
        (augmentation.mixup > 0, augmentation.cutmix > 0), 0.0
    )
    cuts = uniform[0] < chance
    share = step.beta(Stream.MIX_SHARE, tf.where(cuts, augmentation.cutmix or 1.0, augmentation.mixup or 1.0))
    share = tf.where(uniform[1] < augmentation.mix_probability, share, 1.0)
    return tf.stack([share, tf.cast(cuts, tf.float32), uniform[2], uniform[3]])


def _erase(images: tf.Tensor, boxes: tf.Tensor, *, fill: tf.Tensor) -> tf.Tensor:
    inside = _inside(boxes[:, :2], boxes[:, :2] + boxes[:, 2:], tf.shape(images)[1:3])
    return tf.where(inside[..., None], fill, images)


def _mix(images: tf.Tensor, targets: tf.Tensor, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Each pixel and each target is `own` of the image, the rest of its partner (Zhang et al. 2018; Yun et al. 2019).

    Under mixup `own` is the share everywhere; under cutmix it is 0 inside a box of the rest of the area, as far as the
    box lies within the image, and 1 outside.
    """
    share, cuts = numbers[0], numbers[1] > 0.5
    shape = tf.shape(images)[1:3]
    sides = tf.cast(shape, tf.float32)
    half = tf.round(sides * tf.sqrt(1 - share)) / 2
    centre = tf.floor(numbers[2:] * sides)
    inside = _inside(tf.floor(centre - half)[None], tf.floor(centre + half)[None], shape)
    own = tf.where(cuts, tf.cast(~inside, tf.float32), share)[..., None]
    part = tf.reduce_mean(own)
    return (
        _partners(images) + own * (images - _partners(images)),
        _partners(targets) + part * (targets - _partners(targets)),
    )


def _inside(begin: tf.Tensor, end: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Masks (n, h, w) of the pixels from `begin` (n, 2) to before `end` (n, 2), in rows and columns."""
    rows, columns = (
        (place >= begin[:, axis : axis + 1]) & (place < end[:, axis : axis + 1])
        for axis, place in enumerate(tf.cast(tf.range(shape[axis]), tf.float32) for axis in (0, 1))
    )
    return rows[:, :, None] & columns[:, None, :]


def _partners(values: tf.Tensor) -> tf.Tensor:
    """(b, ...) with the rows 2i and 2i + 1 exchanged."""
    shape = tf.shape(values)
    pairs = tf.reshape(values, tf.concat([[shape[0] // 2, 2], shape[1:]], axis=0))
    return tf.ensure_shape(tf.reshape(tf.reverse(pairs, axis=[1]), shape), values.shape)
