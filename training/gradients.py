"""What happens to gradients between the loss and the update, on any number of replicas and workers.

All of it is called by each replica, within `strategy.run`: `accumulated` (its own part of the batch), `reduced` (over
all replicas), `clipped`, and `apply`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


def accumulated(compute: Callable[..., Any], batch: Sequence[tf.Tensor], *, parts: int) -> Any:
    """The sum of what `compute` gives for `parts` equal parts of `batch`, one after the other, in the memory of one.

    `compute` takes tensors of any number of images (n, ...) and gives tensors in any structure; it is traced once.
    Norms that are synchronized over replicas cannot run in the loop that this makes of it: TensorFlow says so.

    Raises:
        ValueError: `parts` does not divide the number of images.
    """
    if parts == 1:
        return compute(*batch)
    images = batch[0].shape[0]
    if images is None or images % parts:
        raise ValueError(f"a replica's images must be a multiple of accumulate={parts}. Received: {images} images")
    size = images // parts
    pieces = [tf.reshape(tensor, (parts, size, *tensor.shape[1:])) for tensor in batch]
    specs = [tf.TensorSpec(piece.shape[1:], piece.dtype) for piece in pieces]
    traced = tf.function(compute, autograph=False).get_concrete_function(*specs)
    zeros = tf.nest.map_structure(lambda output: tf.zeros(output.shape, output.dtype), traced.structured_outputs)
    flat = tf.nest.flatten(zeros)

    def body(part: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = tf.nest.flatten(traced(*(piece[part] for piece in pieces)))
        return part + 1, *(total + value for total, value in zip(sums, values, strict=True))

    # Without the limit TensorFlow may run several parts at once, whose activations would not fit.
    _, *sums = tf.while_loop(lambda part, *_: part < parts, body, (tf.constant(0), *flat), parallel_iterations=1)
    return tf.nest.pack_sequence_as(zeros, sums)


def reduced(gradients: Sequence[tf.Tensor | None], optimizer: keras.optimizers.Optimizer) -> list[tf.Tensor]:
    """The gradients summed over all replicas of all workers, free of the loss scale of `optimizer`.

    Raises:
        ValueError: a weight had no part in the loss, so that its gradient is None.
    """
    missing = [place for place, gradient in enumerate(gradients) if gradient is None]
    if missing:
        raise ValueError(f"every trainable weight must have a part in the loss. Received: no gradient for {missing}")
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync > 1:
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return [gradient / optimizer.dynamic_scale.value for gradient in gradients]
    return list(gradients)


def clipped(gradients: Sequence[tf.Tensor], norm: float | None) -> list[tf.Tensor]:
    """The gradients, scaled down together where their global norm is above `norm`; None leaves them.

    They must be `reduced` already: the norm is the whole batch's, not one replica's.
    """
    if norm is None:
        return list(gradients)
    return tf.clip_by_global_norm(list(gradients), norm)[0]


def apply(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor], weights: Sequence[keras.Variable]
) -> None:
    """Update `weights` and count it; of a LossScaleOptimizer the scale, and the weights unless something overflowed.

    The gradients must be `reduced`. (`optimizer.apply` would sum them over the replicas once more.) The optimizer is
    one of `kres.training.optimisation`, built.
    """
    context = tf.distribute.get_replica_context()
    context.merge_call(_apply, args=(optimizer, list(gradients), list(weights)))


def _apply(
    strategy: tf.distribute.Strategy,
    optimizer: keras.optimizers.Optimizer,
    gradients: list[Any],
    weights: list[keras.Variable],
) -> None:
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        _update(strategy, optimizer, gradients, weights)
        return
    # Those of every replica are equal: any one's will do.
    local = [strategy.experimental_local_results(gradient)[0] for gradient in gradients]
    finite = tf.math.is_finite(tf.add_n([tf.reduce_sum(tf.cast(gradient, tf.float32)) for gradient in local]))

    def good() -> None:
        _update(strategy, optimizer.inner_optimizer, gradients, weights)
        count = optimizer.step_counter.value + 1
        grows = tf.equal(count, optimizer.dynamic_growth_steps)
        optimizer.dynamic_scale.assign(optimizer.dynamic_scale.value * tf.where(grows, 2.0, 1.0))
        optimizer.step_counter.assign(tf.where(grows, tf.zeros_like(count), count))

    def overflow() -> None:
        optimizer.dynamic_scale.assign(optimizer.dynamic_scale.value * 0.5)
        optimizer.step_counter.assign(0)

    tf.cond(finite, good, overflow)


def _update(
    strategy: tf.distribute.Strategy,
    optimizer: keras.optimizers.Optimizer,
    gradients: list[Any],
    weights: list[keras.Variable],
) -> None:
    rate = tf.convert_to_tensor(optimizer.learning_rate)

    def update_one(variable: tf.Variable, gradient: tf.Tensor) -> None:
        optimizer.update_step(gradient, variable, rate)

    for weight, gradient in zip(weights, gradients, strict=True):
        strategy.extended.update(weight.value, update_one, args=(gradient,), group=False)
    optimizer.iterations.assign_add(1)
