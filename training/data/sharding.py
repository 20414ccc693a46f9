"""Which worker reads what is settled here by the worker's number, and so not by TensorFlow."""

import tensorflow as tf


def unsharded(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """`dataset` as it is: a strategy of several workers does not divide it once more."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
