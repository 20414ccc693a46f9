"""What is evaluated and kept beside the last weights: their moving average, and norm statistics taken anew."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kres.training.settings import parts


class MovingAverage(tf.Module):
    """Exponential moving average of a model's weights and norm statistics, which `tf.train.Checkpoint` tracks.

    average <- average + (1 - decay) * (weight - average), from the weights as they are at first. Make it in the scope
    of the strategy that trains the model. Keras keeps norm statistics a replica, and so are their averages: the first
    replica's are what is kept, as with the model itself.

    Args:
        model: the model, built.
        decay: a share below 1.
        every: calls of `update` between two updates.
        ramp: the decay of update number t, from 0, is at most (1 + t) / (10 + t), as in the TensorFlow model garden.
        follow: calls of `update` up to which the average equals the weights: torchvision's warm-up epochs.
    """

    def __init__(
        self, model: keras.Model, *, decay: float, every: int = 1, ramp: bool = False, follow: int = 0
    ) -> None:
        super().__init__(name="moving_average")
        self.decay, self.every, self.ramp, self.follow = decay, every, ramp, follow
        self.strategy = tf.distribute.get_strategy()
        self.weights = [weight.value for weight in model.weights if keras.backend.is_float_dtype(weight.dtype)]
        self.averages = [tf.Variable(weight, trainable=False) for weight in self.weights]
        self.calls = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._swap = tf.function(lambda: self.strategy.run(self._exchange), autograph=False)

    def restart(self) -> None:
        """Begin again from the weights as they are now, before the first update."""

        def copy() -> None:
            for average, weight in zip(self.averages, self.weights, strict=True):
                average.assign(weight.read_value(), read_value=False)

        tf.function(lambda: self.strategy.run(copy), autograph=False)()

    def update(self) -> None:
        """To be called after each update of the weights, by every replica."""
        calls = self.calls.assign_add(1, read_value=True)
        if self.every == 1:
            self._move(calls)
        else:
            tf.cond(calls % self.every == 0, lambda: self._move(calls), lambda: None)

    def _move(self, calls: tf.Tensor) -> None:
        decay = tf.constant(self.decay)
        if self.ramp:
            number = tf.cast(calls // self.every - 1, tf.float32)
            decay = tf.minimum(decay, (1.0 + number) / (10.0 + number))
        if self.follow:
            decay = tf.where(calls <= self.follow, 0.0, decay)
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign_sub(tf.cast(1.0 - decay, weight.dtype) * (average - weight), read_value=False)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the model has the averages as its weights; save no checkpoint of a run there."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _exchange(self) -> None:
        for average, weight in zip(self.averages, self.weights, strict=True):
            before = tf.identity(weight.read_value())
            weight.assign(average.read_value(), read_value=False)
            average.assign(before, read_value=False)


def make_average(averaging: parts.Averaging, model: keras.Model, *, warmup_steps: int) -> MovingAverage | None:
    """The moving average that a recipe asks for, or None; `warmup_steps` are the learning rate's."""
    if not averaging.ema_decay:
        return None
    return MovingAverage(
        model,
        decay=averaging.ema_decay,
        every=averaging.ema_every_steps,
        ramp=averaging.ema_start == "ramp",
        follow=warmup_steps if averaging.ema_start == "after_warmup" else 0,
    )


def reestimate_norms(model: keras.Model, batches: Iterable[Any]) -> int:
    """Set the statistics of batch norms to those of all of `batches` together; the number of images seen.

    Batches are inputs of the model (n, h, w, c). Each goes through it as in training, once, and mean and variance over
    all of them, not a moving average, become a norm's statistics (Wu & Johnson 2021, arXiv 2105.07576, section 3.1: the
    precise ones). Frozen norms keep theirs; nothing else changes.

    Raises:
        ValueError: no batch, or a model without a batch norm that trains.
    """
    norms = [
        layer for layer in _layers(model) if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    if not norms:
        raise ValueError(f"a model without batch norms that train has no statistics to take. Received: {model.name}")
    own = {id(variable) for norm in norms for variable in (norm.moving_mean, norm.moving_variance)}
    others = [variable for variable in model.non_trainable_variables if id(variable) not in own]
    before = [variable.numpy() for variable in others]
    moments = [_Moments() for _ in norms]
    images = 0
    with _forgetful(norms):
        # Traced in here: a norm that remembers nothing holds the batch's own statistics after a step.
        forward = tf.function(lambda inputs: model(inputs, training=True), autograph=False, reduce_retracing=True)
        for batch in batches:
            forward(batch)
            images += len(batch)
            for norm, moment in zip(norms, moments, strict=True):
                moment.add(norm.moving_mean.numpy(), norm.moving_variance.numpy(), len(batch))
    for variable, value in zip(others, before, strict=True):
        variable.assign(value)
    if not images:
        raise ValueError("statistics are taken over at least one batch. Received: none")
    for norm, moment in zip(norms, moments, strict=True):
        norm.moving_mean.assign(moment.mean)
        norm.moving_variance.assign(moment.variance)
    return images


class _Moments:
    """Mean and variance of batches together, from those of each (Chan, Golub & LeVeque 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.variance: Any = 0.0

    def add(self, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        total = self.count + count
        share = count / total
        distance = mean.astype(np.float64) - self.mean
        self.mean = self.mean + share * distance
        between = share * (1 - share) * distance**2
        self.variance = (1 - share) * self.variance + share * variance.astype(np.float64) + between
        self.count = total


@contextmanager
def _forgetful(norms: list[keras.layers.BatchNormalization]) -> Iterator[None]:
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum


def _layers(layer: Any) -> Iterator[keras.layers.Layer]:
    for inner in getattr(layer, "layers", ()):
        yield inner
        yield from _layers(inner)
