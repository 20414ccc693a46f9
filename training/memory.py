"""How much memory a training step of a recipe takes, from shapes alone."""

import math
from dataclasses import dataclass, replace

import keras
import tensorflow as tf

import kres
from kres.training.models import training_model
from kres.training.settings import Recipe

SLOTS = {"sgd": 1, "lars": 1, "lamb": 2, "adamw": 2}
"""Numbers that an optimizer keeps for a weight."""


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Bytes of a training step, by kind, over all replicas' images and for one copy of the network."""

    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.gradients + self.optimizer + self.average + self.activations


def memory_estimate(recipe: Recipe, *, classes: int) -> MemoryEstimate:
    """Weights, gradients, optimizer slots and moving average, and every activation of a batch once.

    Each in the dtype that the policy keeps or computes it in. An activation is counted where a layer writes it, at the
    largest training size, for the part of a batch that is computed at once. Not counted: the program itself, images
    that wait, a teacher, what a kernel needs for itself, and what the compiler saves by writing into place; the true
    peak is of that order.
    """
    network = recipe.network
    size = max(recipe.images.training_sizes_px)
    # Within it weights have shapes and no values, which would take longest and the memory that is asked about.
    with keras.StatelessScope(initialize_variables=False):
        model = training_model(_untrained(recipe), classes=classes)
    numbers = sum(math.prod(weight.shape) for weight in model.weights)
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    at_once = recipe.batch_size // recipe.optimizer.accumulate
    policy = keras.DTypePolicy(network.dtype)
    kept, computed = (tf.as_dtype(dtype).size for dtype in (policy.variable_dtype, policy.compute_dtype))
    return MemoryEstimate(
        weights=numbers * kept,
        gradients=trained * kept,
        optimizer=trained * kept * SLOTS[recipe.optimizer.kind],
        average=numbers * kept if recipe.averaging.ema_decay else 0,
        activations=kres.profile(model, input_shape=(size, size, 3)).activations * at_once * computed,
    )


def _untrained(recipe: Recipe) -> Recipe:
    """Without its published weights, which count the same and would have to be fetched; open to any image size.

    In floating point: the norms that a quantized network has not count nothing beside its convolutions.
    """
    images = replace(recipe.images, test_size_px=recipe.images.test_size_px + 1)
    return replace(recipe, network=replace(recipe.network, weights=None), images=images, quantization=None)
