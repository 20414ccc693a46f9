"""Accuracy on a split: every image once, whatever the batch size and however many replicas share the work."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import kres
from kres.training.data import Source, load
from kres.training.data.corrupt import naming_corrupt
from kres.training.data.evaluation import evaluation_batches
from kres.training.distribution import place, sum_over_workers
from kres.training.step import without_graph_passes

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a model answered: predicted and true classes (n,) in the split's order."""

    predictions: np.ndarray
    labels: np.ndarray
    corrupt: tuple[str, ...] = ()
    """Images that were left out because they cannot be decoded."""
    loss: float | None = None
    """Mean cross-entropy, where the model puts out logits."""

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
    """Run a kres `model` over a split of `data`; ValueError when their numbers of classes differ.

    `data` and `on_corrupt` are what `kres.training.data.load` takes.
    """
    source = load(data, on_corrupt=on_corrupt)
    if batch_size < 1:
        raise ValueError(f"batch_size must be above 0. Received: batch_size={batch_size}")
    if model.output_shape[-1] != source.classes:
        raise ValueError(
            f"the model must have as many classes as the data: {source.classes} in {source.name!r}. "
            f"Received: a model with {model.output_shape[-1]}"
        )
    return Evaluator(model, source, split=split, batch_size=batch_size)()


class Evaluator:
    """An evaluation that can be repeated while a model trains; its graph is traced once.

    The replicas of `strategy` share the images; every worker must call it and gets the whole answer. `logits` says that
    the model puts those out, so that there is a loss as well.
    """

    def __init__(
        self,
        model: keras.Model,
        source: Source,
        *,
        split: str = "test",
        batch_size: int = 128,
        strategy: tf.distribute.Strategy | None = None,
        logits: bool = False,
    ) -> None:
        self._split = source.split(split)
        self._corrupt = source.corrupt
        self._strategy = strategy or tf.distribute.get_strategy()
        self._place = place(self._strategy)
        self._logits = logits
        self._batch_size = batch_size
        preprocess = kres.preprocess(model)

        def shards(context: tf.distribute.InputContext) -> tf.data.Dataset:
            here = self._place
            numbers = range(here.first_replica, here.first_replica + here.local_replicas)
            parts = [
                evaluation_batches(self._split, preprocess, batch_size=batch_size, shard=(number, here.replicas))
                for number in numbers
            ]
            turns = tf.data.Dataset.range(len(parts)).repeat()
            return parts[0] if len(parts) == 1 else tf.data.Dataset.choose_from_datasets(parts, turns)

        self._batches = self._strategy.distribute_datasets_from_function(shards)

        def replica_answers(images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            scores = tf.cast(model(preprocess(images), training=False), tf.float32)
            losses = (
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores) if logits else tf.zeros_like(weights)
            )
            return tf.argmax(scores, axis=-1), losses

        @tf.function(input_signature=list(self._batches.element_spec), autograph=False)
        def answers(*batch: Any) -> Any:
            return self._strategy.run(replica_answers, args=batch)

        self._answers = without_graph_passes(answers, model)

    def __call__(self, progress: Callable[[int, int], None] = lambda done, total: None) -> Evaluation:
        """Evaluate the model as it stands; `progress` hears how many of the images are done, first 0 and last all."""
        here, count = self._place, len(self._split)
        share = -(-count // here.replicas)
        progress(0, count)
        found = []
        for number, batch in enumerate(naming_corrupt(self._batches, self._split), 1):
            found.append(self._local(self._answers(*batch)))
            progress(min(number * self._batch_size * here.replicas, count - 1), count)
        progress(count, count)
        # One row a replica, each the run of neighbours that it answered, filled up behind.
        rows = np.zeros((2, here.replicas, share))
        for replica in range(here.local_replicas):
            own = np.concatenate([batch[replica] for batch in found], axis=1)
            rows[:, here.first_replica + replica] = own[:, :share]
        predictions, losses = sum_over_workers(rows, self._strategy).reshape(2, -1)[:, :count]
        return Evaluation(
            predictions=predictions.astype(np.int64),
            labels=self._split.labels.astype(np.int64),
            corrupt=self._corrupt,
            loss=float(losses.mean()) if self._logits else None,
        )

    def _local(self, answers: Any) -> list[np.ndarray]:
        """Predictions and losses (2, b) of each replica of this worker."""
        predictions, losses = (self._strategy.experimental_local_results(values) for values in answers)
        return [np.stack([p.numpy(), q.numpy()]) for p, q in zip(predictions, losses, strict=True)]
