"""Training steps under Keras's own `compile` and `fit`, timed one by one."""

import argparse
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness import in_turns
from kres.convolution import GroupedConv2D
from kres.normalization import BatchNormalization


class StepClock(keras.callbacks.Callback):
    """The time at which each training step ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ends.append(time.perf_counter())


def random_batches(batch: int, size: int, classes: int) -> tf.data.Dataset:
    """One random batch for ever: images (batch, size, size, 3) in 0..1 and labels (batch,)."""
    random = np.random.default_rng(0)
    images = random.random((batch, size, size, 3), dtype="float32")
    return tf.data.Dataset.from_tensors((images, random.integers(0, classes, batch))).repeat()


def compiled(model: Any) -> Any:
    """`model` with SGD with momentum and cross-entropy."""
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
    return model


def with_stock_layers(model: Any) -> Any:
    """The same network and weights, each layer that kres wrote for speed being Keras's own."""
    stock = {GroupedConv2D: keras.layers.Conv2D, BatchNormalization: keras.layers.BatchNormalization}

    def clone(layer: Any) -> Any:
        return stock.get(type(layer), type(layer)).from_config(layer.get_config())

    twin = keras.models.clone_model(model, clone_function=clone)
    twin.set_weights(model.get_weights())
    return twin


def against_stock_layers(model: Any, options: argparse.Namespace, *, batch: int, steps: int) -> dict[str, list[float]]:
    """Seconds of a training step of `model` ("kres") and of its twin of stock Keras layers ("stock"), in turns."""
    data = random_batches(batch, model.input.shape[1], model.output.shape[-1])
    contestants = {"kres": model, "stock": with_stock_layers(model)}
    return in_turns(
        {name: stepper(compiled(network), data, steps) for name, network in contestants.items()}, options.rounds
    )


def first_step(model: Any, data: tf.data.Dataset) -> float:
    """Seconds from the call of `fit` to the end of its first step."""
    clock, start = StepClock(), time.perf_counter()
    model.fit(data, steps_per_epoch=1, shuffle=False, verbose=0, callbacks=[clock])
    return clock.ends[0] - start


def stepper(model: Any, data: tf.data.Dataset, steps: int) -> Callable[[], list[float]]:
    """A function that trains `steps` steps more and gives back the seconds of each; the first call's trace is done."""
    first_step(model, data)

    def run() -> list[float]:
        clock = StepClock()
        # The first step of a `fit` waits for its iterator, and is left out.
        model.fit(data, steps_per_epoch=steps + 1, shuffle=False, verbose=0, callbacks=[clock])
        return np.diff(clock.ends).tolist()

    return run
