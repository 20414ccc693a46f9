"""kres's input pipelines, and the bare decoder, on as many threads as their rivals have processes."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.harness import timed
from benchmarks.input_rivals import MEAN, SHORTER, SIZE, STD, WORKERS
from kres.datasets import untuned
from kres.preprocessing import PRESETS, Preprocess
from kres.training.data.evaluation import evaluation_batches
from kres.training.data.folder import folder
from kres.training.data.pipeline import training_batches
from kres.training.data.source import subset
from kres.training.settings import Augmentation, Images

IMAGES = Images(train_size_px=SIZE, test_size_px=SIZE, crop=SIZE / SHORTER, mean=MEAN, std=STD)


class Pipelines:
    """Pipelines over the files of `path`, each of `count` images in batches of `batch`."""

    def __init__(self, path: Path, *, count: int, batch: int) -> None:
        source = folder(path)
        every = source.split("all")
        split = subset(every, np.arange(count) % len(every))
        training = partial(
            training_batches,
            replace(source, train=split),
            IMAGES,
            Augmentation(crop="random_area", flip=True),
            size_px=SIZE,
            batch_size=batch,
            steps=range(count // batch),
            seed=0,
        )
        self._training, self._portable = _on_threads(training()), _on_threads(training(compiled=False))
        preprocess = Preprocess(size=SIZE, **PRESETS["torch"])
        self._evaluation = _on_threads(evaluation_batches(split, preprocess, batch_size=batch))

        def decoded(index: tf.Tensor) -> tf.Tensor:
            assert split.encoded is not None
            # The size must take part in the result: an unused decode would be pruned from the graph.
            return tf.size(tf.io.decode_jpeg(split.encoded(index), channels=3))

        sizes = tf.data.Dataset.range(count).map(decoded, num_parallel_calls=tf.data.AUTOTUNE)
        self._decode = _on_threads(sizes.batch(batch).prefetch(2))

    def training(self) -> float:
        """Seconds of the training pipeline."""
        return _drained(self._training)

    def portable(self) -> float:
        """Seconds of the training pipeline of TensorFlow's operations alone."""
        return _drained(self._portable)

    def evaluation(self) -> float:
        """Seconds of the evaluation pipeline."""
        return _drained(self._evaluation)

    def decode(self) -> float:
        """Seconds of reading and decoding the whole files, and nothing else."""
        return _drained(self._decode)


def _on_threads(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.threading.private_threadpool_size = WORKERS
    return untuned(dataset.with_options(options))


def _drained(dataset: tf.data.Dataset) -> float:
    return timed(lambda: sum(1 for _ in dataset))
