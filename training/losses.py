"""Losses of logits (n, classes) -> (n,), in float32 whatever the network computes in."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from kres.training.settings import parts

LossFunction = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def make_loss(loss: parts.Loss) -> LossFunction:
    """The labels' part of a recipe's loss, as a function of targets and logits (n, classes) that gives (n,) float32.

    Targets are shares of the classes (n, classes), floats, or labels (n,), integers. Smoothing takes the share
    `label_smoothing` from them and spreads it evenly over all classes (Szegedy et al. 2016, arXiv 1512.00567, section
    7), which timm does to mixed targets under either loss. `sigmoid` is the mean over the classes of the binary
    cross-entropies, as in timm: ResNet strikes back's learning rates go with that.
    """
    function = _LOSSES[loss.kind]

    def of(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(logits, tf.float32)
        classes = logits.shape[-1]
        targets = tf.one_hot(targets, classes) if targets.dtype.is_integer else tf.cast(targets, tf.float32)
        if loss.label_smoothing:
            targets = targets * (1.0 - loss.label_smoothing) + loss.label_smoothing / classes
        if loss.target_threshold is not None:
            targets = tf.cast(targets > loss.target_threshold, tf.float32)
        return function(targets, logits)

    return of


def distillation_loss(teacher_logits: tf.Tensor, logits: tf.Tensor, temperature: float) -> tf.Tensor:
    """Kullback-Leibler divergence (n,) of a network from its teacher, both logits (n, classes) over `temperature`.

    It is multiplied by the square of the temperature, so that its gradient keeps its size (Hinton et al. 2015, arXiv
    1503.02531, section 2). No gradient goes to the teacher.
    """
    teacher = tf.nn.log_softmax(tf.stop_gradient(tf.cast(teacher_logits, tf.float32)) / temperature)
    student = tf.nn.log_softmax(tf.cast(logits, tf.float32) / temperature)
    return temperature**2 * tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=-1)


def _softmax(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def _sigmoid(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=-1)


_LOSSES: Mapping[parts.LossKind, Callable[[Any, Any], tf.Tensor]] = {"softmax": _softmax, "sigmoid": _sigmoid}
