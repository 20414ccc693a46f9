"""Twenty steps of the CIFAR recipe, loss for loss what stock Keras layers and `fit` make of the same batches."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import kres
from benchmarks.steps import with_stock_layers
from kres.training import fit, load_model, recipe
from kres.training.data import arrays
from kres.training.data.pipeline import training_batches
from kres.training.models import training_model

STEPS, BATCH = 20, 16
# Below the recipe's rate, at which a rounding that puts a ReLU on its other side grows beyond 1e-5 in twenty steps; and
# the decay as far above the recipe's, so that they show it.
RATE, DECAY = 0.002, 0.05


def cifar_recipe():
    chosen = recipe("cifar_resnet20")
    return replace(
        chosen,
        # Branches that start at zero pass a rounding on less: without, these losses are 1e-4 apart after twenty steps.
        network=replace(chosen.network, zero_init_residual=True),
        batch_size=BATCH,
        optimizer=replace(chosen.optimizer, weight_decay=DECAY),
        schedule=replace(chosen.schedule, kind="constant", length=STEPS, decay_at=(), learning_rate=RATE),
        watch=replace(chosen.watch, log_every_steps=1, evaluate_every=STEPS),
    )


def noise():
    """Images without two pixels that are alike: of an even background a rounding turns all at once."""
    dice = np.random.default_rng(0)
    images = dice.integers(0, 256, (120, 32, 32, 3), np.uint8)
    labels = np.arange(120) % 10
    return arrays((images[:100], labels[:100]), (images[100:], labels[100:]), class_names=tuple("0123456789"))


class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(logs["cross_entropy"])


def with_decay(model, decay):
    """L2 as Keras has it: half of it times the square joins the loss, so the whole times the weight the gradient."""
    for layer in model.layers:
        if getattr(layer, "kernel", None) is not None:
            layer.kernel_regularizer = keras.regularizers.L2(decay / 2)
            layer.kernel.regularizer = layer.kernel_regularizer
    return model


@pytest.mark.slow
def test_twenty_steps_equal_stock_layers_under_stock_fit(tmp_path):
    chosen, source = cifar_recipe(), noise()
    result = fit(chosen, data=source, workdir=tmp_path / "run")

    keras.utils.set_random_seed(0)
    model = training_model(chosen, classes=10)
    images = training_batches(
        source, chosen.images, chosen.augmentation, size_px=32, batch_size=BATCH, steps=range(STEPS), seed=0
    )
    preprocess = kres.preprocess(model)
    stock = with_decay(with_stock_layers(model), DECAY)
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="cross_entropy")
    stock.compile(
        keras.optimizers.SGD(RATE, momentum=chosen.optimizer.momentum),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[cross_entropy],
    )
    losses = Losses()
    batches = images.map(lambda pixels, labels, numbers: (preprocess(pixels), labels))
    # An epoch a step, so that its loss is the batch's own.
    stock.fit(batches, epochs=STEPS, steps_per_epoch=1, shuffle=False, verbose=0, callbacks=[losses])
    np.testing.assert_allclose([row.loss for row in result.history], losses.seen, rtol=1e-5)
    for found, expected in zip(load_model(result.workdir).get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
