"""What happens to one image (h, w, 3) uint8 on the CPU, after its crop."""

import tensorflow as tf

from kres.training.augmentation import operations
from kres.training.augmentation.numbers import Numbers, Stream
from kres.training.augmentation.policies import POLICIES
from kres.training.settings import Augmentation

FLIPPED_BELOW = 0.5

# Krizhevsky et al. 2012, section 4.1, for ImageNet's pixels in 0..1: the standard deviation along each principal
# colour, and those colours as columns, as fb.resnet.torch published them.
DEVIATIONS = (0.2175, 0.0188, 0.0045)
COLOURS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


def augment_image(image: tf.Tensor, numbers: Numbers, *, augmentation: Augmentation, flip: bool) -> tf.Tensor:
    """Flip, policy, colour jitter and lighting, in that order, as far as they are on: (h, w, 3) uint8 to the same."""
    if flip:
        image = random_flip(image, numbers.uniform(Stream.FLIP))
    if augmentation.policy != "none":
        image = POLICIES[augmentation.policy](image, numbers, augmentation)
    if augmentation.color_jitter:
        image = color_jitter(image, numbers.uniform(Stream.JITTER, 6), strength=augmentation.color_jitter)
    if augmentation.lighting:
        image = lighting(image, numbers.normal(Stream.LIGHTING, 3) * augmentation.lighting)
    return image


def flips_alone(augmentation: Augmentation) -> bool:
    """Whether a flip is all that `augment_image` may do."""
    return augmentation.policy == "none" and not augmentation.color_jitter and not augmentation.lighting


def random_flip(image: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Left and right exchanged where `number` () is below a half."""
    return tf.cond(number < FLIPPED_BELOW, lambda: tf.reverse(image, axis=[1]), lambda: image)


def color_jitter(image: tf.Tensor, numbers: tf.Tensor, *, strength: float) -> tf.Tensor:
    """Brightness, contrast and saturation scaled by three random factors in a random order; numbers (6,) in [0, 1)."""
    factors = 1 + strength * (2 * numbers[:3] - 1)
    kinds = (operations.brightness, operations.contrast, operations.color)
    order = tf.argsort(numbers[3:])
    for turn in range(len(kinds)):
        branches = [lambda i=i, kind=kind, image=image: kind(image, factors[i] - 1) for i, kind in enumerate(kinds)]
        image = tf.switch_case(order[turn], branches)
    return image


def lighting(image: tf.Tensor, strengths: tf.Tensor) -> tf.Tensor:
    """A shift of all pixels along the principal colours by `strengths` (3,), each in that colour's deviations."""
    shift = tf.linalg.matvec(tf.constant(COLOURS), strengths * DEVIATIONS)
    return operations.to_uint8(tf.cast(image, tf.float32) + 255 * shift + 0.5)
