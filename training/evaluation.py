"""Accuracy on a split: every image once, whatever the batch size."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import kres
from kres.preprocessing import Preprocess
from kres.training.data import Source, load
from kres.training.data.pipeline import evaluation_batches
from kres.training.step import without_graph_passes


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a model answered: predicted and true classes (n,) in the split's order."""

    predictions: np.ndarray
    labels: np.ndarray
    corrupt: tuple[str, ...] = ()
    """Images that were left out because they cannot be decoded."""

    @property
    def n_images(self) -> int:
        """Number of images, each of which counted once."""
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """Share of right answers, in 0..1."""
        return float(np.mean(self.predictions == self.labels))


def evaluate(
    model: keras.Model,
    data: str | Path | Source,
    *,
    split: str = "test",
    batch_size: int = 128,
    on_corrupt: str = "fail",
) -> Evaluation:
    """Run a kres `model` over a split of `data`; ValueError when their numbers of classes differ."""
    source = load(data, on_corrupt=on_corrupt)
    if batch_size < 1:
        raise ValueError(f"batch_size must be above 0. Received: batch_size={batch_size}")
    if model.output_shape[-1] != source.classes:
        raise ValueError(
            f"the model must have as many classes as the data: {source.classes} in {source.name!r}. "
            f"Received: a model with {model.output_shape[-1]}"
        )
    return Evaluator(model, kres.preprocess(model), source, split=split, batch_size=batch_size)()


class Evaluator:
    """An evaluation that can be repeated while a model trains; its graph is traced once."""

    def __init__(
        self, model: keras.Model, preprocess: Preprocess, source: Source, *, split: str = "test", batch_size: int = 128
    ) -> None:
        self._split = source.split(split)
        self._corrupt = source.corrupt
        self._batches = evaluation_batches(self._split, preprocess, batch_size=batch_size)

        @tf.function(input_signature=[self._batches.element_spec[0]], autograph=False)
        def classify(images: tf.Tensor) -> tf.Tensor:
            return tf.argmax(model(preprocess(images), training=False), axis=-1)

        self._classify = without_graph_passes(classify, model)

    def __call__(self) -> Evaluation:
        """Evaluate the model as it stands."""
        answers = [self._classify(images).numpy() for images, _ in self._batches]
        return Evaluation(
            predictions=np.concatenate(answers), labels=self._split.labels.astype(np.int64), corrupt=self._corrupt
        )
