"""One training step: one flat graph, run on every replica, with its sums left on the device until somebody asks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kres.training.averaging import MovingAverage
from kres.training.gradients import accumulated, apply, clipped, reduced
from kres.training.objective import Objective

DEEP_LAYERS = 300


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What `Sums` held at a readout."""

    loss: float
    """Sum over the steps of the batch's mean loss."""
    correct: int
    finite_steps: int
    """Steps before the first whose loss was not finite."""
    finite_gradients: int
    """Steps whose gradient was finite: under loss scaling, those whose update was not skipped."""
    gradient_squares: np.ndarray
    """Sum over those steps of the squared norm of each trainable weight's gradient (weights,)."""


class Sums:
    """Loss, accuracy and gradient norms summed on the devices since the last readout; made in the strategy's scope."""

    def __init__(self, weights: Sequence[keras.Variable]) -> None:
        self.loss = _per_replica((), tf.float32)
        self.correct = _per_replica((), tf.int64)
        self.finite_steps = _per_replica((), tf.int64)
        self.finite_gradients = _per_replica((), tf.int64)
        self.squares = _per_replica((len(weights),), tf.float32)
        self._variables = self.loss, self.correct, self.finite_steps, self.finite_gradients, self.squares
        # Outside a graph each of these reads would start a pool of threads, which a lost worker leaves open.
        self._take = tf.function(self._taken, autograph=False)

    def add(self, loss: tf.Tensor, correct: tf.Tensor, gradients: Sequence[tf.Tensor]) -> None:
        """Add one replica's share of the batch's mean loss (), its right answers (), and the batch's gradients."""
        total = self.loss.assign_add(loss)
        self.correct.assign_add(correct)
        # A sum that once was not finite never is again, so this counts the steps before the first bad one.
        self.finite_steps.assign_add(tf.cast(tf.math.is_finite(total), tf.int64))
        squares = tf.stack([2 * tf.nn.l2_loss(tf.cast(gradient, tf.float32)) for gradient in gradients])
        finite = tf.reduce_all(tf.math.is_finite(squares))
        self.finite_gradients.assign_add(tf.cast(finite, tf.int64))
        self.squares.assign_add(tf.where(finite, squares, 0.0))

    def read(self, strategy: tf.distribute.Strategy) -> Totals:
        """The sums over all replicas; they start again from zero."""
        with strategy.scope():
            loss, correct, finite_steps, finite_gradients, squares = (value.numpy() for value in self._take())
        replicas = strategy.num_replicas_in_sync
        return Totals(
            loss=float(loss),
            correct=int(correct),
            finite_steps=int(finite_steps) // replicas,
            finite_gradients=int(finite_gradients) // replicas,
            gradient_squares=squares / replicas,  # each replica adds those of the whole batch
        )

    def _taken(self) -> list[tf.Tensor]:
        values = [tf.identity(variable.read_value()) for variable in self._variables]
        for variable in self._variables:
            variable.assign(tf.zeros(variable.shape, variable.dtype))
        return values


def _per_replica(shape: tuple[int, ...], dtype: tf.DType) -> tf.Variable:
    return tf.Variable(
        tf.zeros(shape, dtype),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )


def make_train_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    sums: Sums,
    *,
    objective: Objective,
    batch_size: int,
    strategy: tf.distribute.Strategy,
    element_spec: Any,
    clip_norm: float | None = None,
    accumulate: int = 1,
    average: MovingAverage | None = None,
) -> Callable[..., None]:
    """A graph that takes a batch of the input pipeline and updates `model` and, if there is one, `average`.

    The loss is the objective's mean over the global batch of `batch_size`, so gradients are summed over the replicas.
    """
    weights = model.trainable_variables

    def gradients_of(*batch: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            losses, correct = objective(*batch)
            loss = tf.reduce_sum(losses) / batch_size
            scaled = optimizer.scale_loss(loss)
        return tape.gradient(scaled, [weight.value for weight in weights]), loss, correct

    def replica_step(*batch: tf.Tensor) -> None:
        gradients, loss, correct = accumulated(gradients_of, batch, parts=accumulate)
        gradients = reduced(gradients, optimizer)
        sums.add(loss, correct, gradients)
        apply(optimizer, clipped(gradients, clip_norm), weights)
        if average is not None:
            average.update()

    @tf.function(input_signature=list(element_spec), autograph=False)
    def train_step(*batch: Any) -> None:
        strategy.run(replica_step, args=batch)

    return without_graph_passes(train_step, model)


def without_graph_passes(function: Callable[..., Any], model: keras.Model) -> Callable[..., Any]:
    """`function`, run without grappler's passes where `model` is very deep.

    Over its tens of thousands of nodes they take minutes. The option is process-wide, so it holds during the calls
    alone; and during each of them, because TensorFlow prepares a function anew when it is called under another option.
    """
    if len(model.layers) <= DEEP_LAYERS:
        return function

    def run(*arguments: Any) -> Any:
        with _passes_off():
            return function(*arguments)

    return run


@contextmanager
def _passes_off() -> Iterator[None]:
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
