"""The networks of a recipe, and the trained one of a workdir."""

from dataclasses import replace

import keras
import numpy as np

import kres
from kres.backbone import HEAD
from kres.preprocessing import Preprocess
from kres.quantization import quantized_twin
from kres.training.preprocessing import preprocess_of, warn_of_other_normalisation
from kres.training.settings import Network, Quantization, Recipe
from kres.training.settings.networks import network_spec


def build_model(
    network: Network, preprocess: Preprocess, *, classes: int, activation: str | None, size_px: int | None
) -> keras.Model:
    """A fresh network, weights as the recipe starts with; without `activation` it puts out logits (n, classes).

    `size_px` None takes images of any size, which training at several sizes needs.
    """
    model = kres.build(
        network_spec(network),
        classes=classes,
        weights=network.weights,
        input_shape=(size_px, size_px, 3),
        classifier_activation=activation,
        zero_init_residual=network.zero_init_residual,
        norm=network.norm,
        drop_path=network.drop_path,
        dropout=network.dropout,
        preprocess=preprocess,
        dtype=network.dtype,
    )
    if network.zero_init_head:
        for weight in model.get_layer(HEAD).weights:
            weight.assign(np.zeros(weight.shape))
    if network.frozen_until is not None:
        kres.freeze(model, network.frozen_until)
    return model


def training_model(recipe: Recipe, *, classes: int) -> keras.Model:
    """The network that a run of `recipe` trains, which puts out logits (n, classes)."""
    images = recipe.images
    sizes = {images.train_size_px, images.test_size_px, *images.progressive_px}
    size = sizes.pop() if len(sizes) == 1 else None
    model = build_model(recipe.network, preprocess_of(images), classes=classes, activation=None, size_px=size)
    warn_of_other_normalisation(recipe)
    return quantized(model, recipe.quantization)


def quantized(model: keras.Model, quantization: Quantization | None) -> keras.Model:
    """The twin of a model that a recipe asks for, its ranges not set, or the model itself."""
    if quantization is None:
        return model
    return quantized_twin(
        model,
        weight_bits=quantization.weight_bits,
        keep_float=quantization.keep_float,
        range_updates=quantization.ranges,
    )


def with_softmax(model: keras.Model, recipe: Recipe) -> keras.Model:
    """A copy of a trained model of logits that ends in probabilities, at the size of evaluation."""
    network = replace(recipe.network, weights=None)
    size = recipe.images.test_size_px
    final = build_model(network, model.preprocess, classes=model.output_shape[-1], activation="softmax", size_px=size)
    final = quantized(final, recipe.quantization)
    final.set_weights(model.get_weights())
    return final
