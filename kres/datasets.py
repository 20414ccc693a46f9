"""tf.data without its tuner, for every data set that kres reads."""

from typing import Any


def untuned(dataset: Any) -> Any:
    """The tf.data data set `dataset` with parallelism as it stands: what is AUTOTUNE there is one thread a core.

    TensorFlow 2.21 loses the word that an iterator is no longer wanted if it comes amid the tuning. The iterator's end
    then waits for the next tuning, each twice as far off as the last, up to a minute: an evaluation of 1.2 s took 2.3.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
