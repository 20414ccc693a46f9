"""What a step minimizes: from a batch as the input pipeline hands it over to one loss an image."""

from collections.abc import Callable

import keras
import tensorflow as tf

from kres.training.augmentation import augment_batch
from kres.training.losses import distillation_loss, make_loss
from kres.training.settings import Recipe

Objective = Callable[..., tuple[tf.Tensor, tf.Tensor]]
"""(images (n, h, w, 3) uint8, labels (n,) int32, draws (n, k)) -> losses (n,) float32 and right answers () int64."""


def make_objective(
    recipe: Recipe,
    model: keras.Model,
    *,
    classes: int,
    teacher: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> Objective:
    """The objective of `recipe` for `model`, which ends in logits.

    `teacher` answers pixels (n, h, w, 3) of 0..255 with logits. A mixed image counts as right where the network answers
    what there is most of in it.
    """
    loss, preprocess = make_loss(recipe.loss), model.preprocess
    rgb_mean = preprocess.mean[:: -1 if preprocess.order == "bgr" else 1]

    def objective(images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, targets = augment_batch(
            images, labels, draws, augmentation=recipe.augmentation, classes=classes, mean=rgb_mean
        )
        logits = tf.cast(model(preprocess(pixels), training=True), tf.float32)
        losses = loss(targets, logits)
        if teacher is not None:
            share = recipe.loss.teacher_share
            learned = distillation_loss(teacher(pixels), logits, recipe.loss.temperature)
            losses = (1 - share) * losses + share * learned
        right = tf.argmax(logits, axis=-1) == tf.argmax(targets, axis=-1)
        return losses, tf.math.count_nonzero(right)

    return objective
