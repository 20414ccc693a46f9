"""Trained networks to learn from."""

import logging
import sys
from collections.abc import Callable

import keras
import tensorflow as tf

import kres
from kres.lookup import look_up
from kres.training.settings import Network
from kres.training.settings.networks import network_spec

logger = logging.getLogger(__name__)

Teacher = Callable[[tf.Tensor], tf.Tensor]
APPLICATIONS = "keras.applications."
IMAGENET_CLASSES = 1000


def make_teacher(network: Network | None, *, classes: int, untrained: bool = False) -> Teacher | None:
    """What answers pixels (n, h, w, 3) of 0..255 with logits (n, classes), by a frozen network in inference mode.

    Its own preprocessing is applied; where it takes one size alone, as those of keras.applications do, the pixels are
    resized to that (bilinear, antialiased). None for no network. `untrained` lets a network without weights answer, for
    a run that only shows that everything works. Make it in the scope of the strategy that trains.

    Raises:
        ValueError: the network has no weights and is not `untrained`, other than `classes` outputs, or no such name.
    """
    if network is None:
        return None
    if network.weights is None and not untrained:
        raise ValueError("a teacher needs weights: a published tag, 'imagenet' or a file. Received: weights=None")
    if network.weights is None:
        logger.warning("the teacher, %s, is untrained: this run shows that it works, and teaches nothing", network.row)
    # With weights it has the classes of those: asked for others, `build` would leave the head untrained.
    asked = classes if network.weights is None else None
    application = network.row.startswith(APPLICATIONS)
    model, preprocess = _application(network, asked) if application else _row(network, asked)
    if model.output_shape[-1] != classes:
        raise ValueError(
            f"a teacher must know the {classes} classes of the data. Received: {network.row} with weights "
            f"{network.weights!r} of {model.output_shape[-1]} classes"
        )
    model.trainable = False
    size = model.input_shape[1:3]

    def teach(pixels: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(pixels, tf.float32)
        if None not in size and tuple(pixels.shape[1:3]) != size:
            pixels = tf.image.resize(pixels, size, antialias=True)
        return tf.stop_gradient(tf.cast(model(preprocess(pixels), training=False), tf.float32))

    return teach


def _row(network: Network, classes: int | None) -> tuple[keras.Model, Teacher]:
    model = kres.build(
        network_spec(network),
        weights=network.weights,
        input_shape=(None, None, 3),
        classifier_activation=None,
        dtype=network.dtype,
        classes=classes,
    )
    return model, model.preprocess


def _application(network: Network, classes: int | None) -> tuple[keras.Model, Teacher]:
    if network.dtype != "float32":
        raise ValueError(f"a teacher of keras.applications computes in float32. Received: dtype={network.dtype!r}")
    names = {name.lower(): name for name in dir(keras.applications) if name[0].isupper()}
    name = look_up(names, network.row.removeprefix(APPLICATIONS).lower(), what="network in keras.applications")
    constructor = getattr(keras.applications, name)
    model = constructor(weights=network.weights, classes=classes or IMAGENET_CLASSES, classifier_activation=None)
    # Each of Keras's networks has it in its module.
    return model, sys.modules[constructor.__module__].preprocess_input
