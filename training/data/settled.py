"""What is settled here of a data set, and so not by TensorFlow: which worker reads what, and on how many threads."""

import tensorflow as tf

from kres.datasets import untuned


def settled(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """`dataset` as it is: a strategy of several workers does not divide it once more, and nothing tunes it."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return untuned(dataset.with_options(options))
