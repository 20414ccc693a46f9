"""Batches for evaluation on several workers: every image counts once, whatever the batch size."""

import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training.data.settled import settled
from kres.training.data.source import Split


def evaluation_batches(
    split: Split, preprocess: Preprocess, *, batch_size: int, shard: tuple[int, int] = (0, 1)
) -> tf.data.Dataset:
    """One worker's part of `split`: (images (b, s, s, 3) uint8, labels (b,) int32, weights (b,) float32).

    `shard` is the worker's number and how many there are. Each takes one run of neighbours, so the workers' answers
    one behind the other are in the split's order. All have the same number of batches of the same size, because each
    step of a collective needs every worker: what is missing is filled up with black images of weight 0. The sum of
    the weights over all batches and workers is the number of images.

    Raises ValueError for a batch size below 1, or a worker's number that is not below their count.
    """
    number, count = shard
    if batch_size < 1:
        raise ValueError(f"batch_size must be above 0. Received: batch_size={batch_size}")
    if not 0 <= number < count:
        raise ValueError(f"shard must be (number, count) with 0 <= number < count. Received: shard={shard}")
    share = -(-len(split) // count)
    batches = -(-share // batch_size)
    begin, end = number * share, min((number + 1) * share, len(split))
    labels = tf.constant(split.labels, tf.int32)

    def example(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return preprocess.image_to_square(split.read(position)), tf.gather(labels, position), tf.constant(1.0)

    def padding() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        square = (preprocess.size, preprocess.size, len(preprocess.mean))
        return tf.zeros(square, tf.uint8), tf.constant(0), tf.constant(0.0)

    positions = tf.data.Dataset.range(begin, begin + batches * batch_size)
    examples = positions.map(
        lambda position: tf.cond(position < end, lambda: example(position), padding),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return settled(examples.batch(batch_size, drop_remainder=True).prefetch(2))
