"""One training step: one flat graph, run on every replica, with its sums left on the device until somebody asks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

DEEP_LAYERS = 300


class Sums:
    """Loss and accuracy summed on the devices since the last readout; create it within the strategy's scope."""

    def __init__(self) -> None:
        self.loss = _per_replica(tf.float32)
        self.correct = _per_replica(tf.int64)
        self.finite_steps = _per_replica(tf.int64)

    def add(self, loss: tf.Tensor, correct: tf.Tensor) -> None:
        """Add one replica's share of the batch's mean loss () and its number of right answers ()."""
        total = self.loss.assign_add(loss)
        self.correct.assign_add(correct)
        # A sum that once was not finite never is again, so this counts the steps before the first bad one.
        self.finite_steps.assign_add(tf.cast(tf.math.is_finite(total), tf.int64))

    def read(self, strategy: tf.distribute.Strategy) -> tuple[float, int, int]:
        """(summed loss, right answers, steps before the first non-finite loss), and start again from zero."""
        with strategy.scope():
            variables = self.loss, self.correct, self.finite_steps
            loss, correct, finite_steps = (variable.read_value().numpy() for variable in variables)
            for variable in variables:
                variable.assign(tf.zeros((), variable.dtype))
        return float(loss), int(correct), int(finite_steps) // strategy.num_replicas_in_sync


def _per_replica(dtype: tf.DType) -> tf.Variable:
    return tf.Variable(
        tf.zeros((), dtype),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )


def make_train_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    sums: Sums,
    *,
    preprocess: Callable[[tf.Tensor], tf.Tensor],
    batch_size: int,
    strategy: tf.distribute.Strategy,
    element_spec: Any,
) -> Callable[[Any, Any], None]:
    """A graph (images (n, h, w, c) uint8, labels (n,) int32) -> None that updates `model`, which ends in logits.

    The loss is cross-entropy in float32, its mean taken over the global batch of `batch_size`, so gradients are summed
    over the replicas.
    """
    weights = model.trainable_variables

    def replica_step(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            logits = tf.cast(model(preprocess(images), training=True), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses) / batch_size
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply(gradients, weights)
        right = tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels
        sums.add(loss, tf.math.count_nonzero(right))

    @tf.function(input_signature=list(element_spec), autograph=False)
    def train_step(images: Any, labels: Any) -> None:
        strategy.run(replica_step, args=(images, labels))

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
