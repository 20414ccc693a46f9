"""A network layer by layer: how widely its 3x3 convolutions respond, and how large a gradient reaches them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import kres
from kres.scopes import recursion_for

BATCH = 64
_NORMS = (keras.layers.BatchNormalization, keras.layers.GroupNormalization)


def layer_responses(model: keras.Model, images: np.ndarray, *, training: bool = False) -> dict[str, float]:
    """Standard deviation of each 3x3 convolution's response, by the layer's name and in the network's order.

    The response is what comes out of the norm behind the convolution, before any activation or sum (He et al. 2015,
    figure 7), or of the convolution itself where no norm reads it. The deviation is over all values that `images`
    (n, h, w, c), as the network takes them, give: in inference or, for an untrained network, whose moving statistics
    say nothing yet, in `training` mode, 64 images a batch. The model stays as it is.

    Raises:
        ValueError: the model has no 3x3 convolution, or there are no images.
    """
    layers = _convolutions(model)
    _require_images(images)
    normed = {id(layer.input): layer.output for layer in model.layers if isinstance(layer, _NORMS)}
    with recursion_for(len(model.layers)):
        tapped = keras.Model(model.inputs[0], [normed.get(id(layer.output), layer.output) for layer in layers])
    totals = np.zeros((3, len(layers)))
    before = model.get_weights()
    for start in range(0, len(images), BATCH):
        responses = keras.tree.flatten(tapped(images[start : start + BATCH], training=training))
        values = [np.asarray(response, np.float64) for response in responses]
        totals += np.transpose([(value.size, value.sum(), np.square(value).sum()) for value in values])
    if training:
        model.set_weights(before)  # moving statistics among them
    count, total, squares = totals
    variances = squares / count - np.square(total / count)
    return _named(layers, np.sqrt(np.maximum(variances, 0.0)))


def layer_gradients(model: kres.ResNet, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Euclidean norm of the gradient at each 3x3 kernel, by the layer's name and in the network's order.

    The gradient is that of the mean cross-entropy of one batch, `images` (n, h, w, c) as the network takes them with
    `labels` (n,), in training mode. The model stays as it is.

    Raises:
        ValueError: the model is none of kres.build's or has no 3x3 convolution, or images and labels do not pair.
    """
    if not isinstance(model, kres.ResNet):
        raise ValueError(f"`model` must be a network of kres.build. Received: model={model!r}")
    _require_images(images)
    if np.shape(labels) != (len(images),):
        raise ValueError(f"`labels` must be ({len(images)},), one an image. Received: labels of {np.shape(labels)}")
    # Softmax first and a logarithm then would lose the gradients of what the network is sure of.
    logits_model = kres.ResNet.from_config({**model.get_config(), "classifier_activation": "linear"})
    logits_model.set_weights(model.get_weights())
    layers = _convolutions(logits_model)
    kernels = [layer.kernel.value for layer in layers]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(kernels)
        logits = tf.cast(logits_model(images, training=True), tf.float32)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    return _named(layers, [tf.norm(gradient).numpy() for gradient in tape.gradient(loss, kernels)])


def _convolutions(model: keras.Model) -> list[Any]:
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (3, 3)]
    if not layers:
        raise ValueError(f"`model` must have a 3x3 convolution. Received: model={model.name!r}")
    return layers


def _require_images(images: np.ndarray) -> None:
    if np.ndim(images) != 4 or len(images) == 0:
        raise ValueError(f"`images` must be (n, h, w, c), n at least 1. Received: images of {np.shape(images)}")


def _named(layers: Sequence[Any], values: Sequence[Any] | np.ndarray) -> dict[str, float]:
    return {layer.name: float(value) for layer, value in zip(layers, values, strict=True)}
