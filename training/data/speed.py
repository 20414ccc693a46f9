"""How fast a source of images can feed a network here, and what keeps it from being faster."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from kres.datasets import untuned
from kres.training.data.evaluation import evaluation_batches
from kres.training.data.pipeline import shuffled, training_batches
from kres.training.data.progress import progress
from kres.training.data.source import Source, Split, subset
from kres.training.data.squares import squares_of
from kres.training.preprocessing import preprocess_of
from kres.training.settings import Augmentation, Images

Pipeline = Callable[[range], tf.data.Dataset]
STAGES = ("storage", "decode", "augmentation")


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Images a second of each part of the input, alone on the CPU."""

    n_images: int
    """Images that each figure was taken over."""
    reading: float
    """Of fetching files' bytes, from the disk or the operating system's cache; of arrays, of fetching the pixels."""
    decoding: float | None
    """Of fetching and decoding whole files; None where images are arrays."""
    training: float
    """Of the training pipeline."""
    evaluation: float
    """Of the evaluation pipeline."""
    compiled: bool
    """Whether compiled operations cut training's squares out of JPEGs, and not TensorFlow's own, which takes longer."""
    shares: dict[str, float]
    """Of the training pipeline's time: storage, decode (crop and resize included) and augmentation, 1 together."""

    @property
    def bottleneck(self) -> str:
        """The stage that the training pipeline spends most of its time in."""
        return max(self.shares, key=self.shares.__getitem__)


def measure_speed(
    source: Source, images: Images, augmentation: Augmentation, *, count: int = 1000, batch_size: int = 64
) -> Speed:
    """The speed of `source` under a recipe's images and augmentation, over `count` images in training's order.

    Storage is read first, so that what the cache of the operating system does not hold is seen to be slow; a source
    smaller than `count` is read several times over. Raises ValueError when `count` holds no batch.
    """
    if not 1 <= batch_size <= count:
        raise ValueError(
            f"count must be at least batch_size, above 0. Received: count={count}, batch_size={batch_size}"
        )
    steps = range(1, 1 + count // batch_size)  # step 0 warms each pipeline up
    total = len(steps) * batch_size
    crop_alone = Augmentation(
        crop=augmentation.crop,
        padding_px=augmentation.padding_px,
        area=augmentation.area,
        aspect=augmentation.aspect,
        side_px=augmentation.side_px,
        flip=False,
    )
    compiled = _cut_by_compiled(source, images, augmentation)
    stages: dict[str, Pipeline] = {
        "reading": lambda part: _mapped(source, _touched, part, batch_size),
        "decoding": lambda part: _mapped(source, _decoded, part, batch_size),
        "crop": lambda part: _training(source, images, crop_alone, part, batch_size, compiled=compiled),
        "training": lambda part: _training(
            source, images, replace(augmentation, repeats=1), part, batch_size, compiled=compiled
        ),
        "evaluation": lambda part: _evaluation(source, images, part, batch_size),
    }
    if source.train.encoded is None:
        del stages["decoding"]
    rates = {}
    with progress("measuring", len(stages)) as advance:
        for name, pipeline in stages.items():
            rates[name] = total / _seconds(pipeline, steps)
            advance(1)
    return Speed(
        n_images=total,
        reading=rates["reading"],
        decoding=rates.get("decoding"),
        training=rates["training"],
        evaluation=rates["evaluation"],
        compiled=compiled,
        shares=_shares(rates),
    )


def _cut_by_compiled(source: Source, images: Images, augmentation: Augmentation) -> bool:
    preprocess = preprocess_of(images, size_px=images.train_size_px)
    return squares_of(source.train, preprocess=preprocess, augmentation=augmentation, flip=False) is not None


def _seconds(pipeline: Pipeline, steps: range) -> float:
    """How long the batches of `steps` take; the step before them, which traces the graph, is not counted."""
    batches = iter(pipeline(range(steps.start - 1, steps.stop)))
    next(batches)
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def _mapped(
    source: Source, function: Callable[[Split, tf.Tensor], tf.Tensor], steps: range, batch: int
) -> tf.data.Dataset:
    order = _order(source, steps, batch)
    found = order.map(lambda index: function(source.train, index), num_parallel_calls=tf.data.AUTOTUNE)
    return untuned(found.batch(batch).prefetch(2))


def _order(source: Source, steps: range, batch_size: int) -> tf.data.Dataset:
    """The indices of the images that training takes in `steps`, one by one."""
    positions = tf.data.Dataset.range(steps.start * batch_size, steps.stop * batch_size)
    return positions.map(lambda position: shuffled(position, len(source.train), seed=0))


# Each result hangs on the bytes or pixels: what nothing hangs on is pruned from the graph.


def _touched(split: Split, index: tf.Tensor) -> tf.Tensor:
    """A number () int32 that takes the whole file, or the array, to be known."""
    return tf.strings.length(split.encoded(index)) if split.encoded else tf.cast(split.read(index)[0, 0, 0], tf.int32)


def _decoded(split: Split, index: tf.Tensor) -> tf.Tensor:
    return tf.size(split.read(index))


def _training(
    source: Source, images: Images, augmentation: Augmentation, steps: range, batch_size: int, *, compiled: bool
) -> tf.data.Dataset:
    return training_batches(
        source,
        images,
        augmentation,
        size_px=images.train_size_px,
        batch_size=batch_size,
        steps=steps,
        seed=0,
        compiled=compiled,
    )


def _evaluation(source: Source, images: Images, steps: range, batch_size: int) -> tf.data.Dataset:
    order = np.array(list(_order(source, steps, batch_size).as_numpy_iterator()))
    return evaluation_batches(subset(source.train, order), preprocess_of(images), batch_size=batch_size)


def _shares(rates: dict[str, float]) -> dict[str, float]:
    """What each stage adds to the time that an image takes, as shares of the sum."""
    reading, crop, training = (1 / rates[name] for name in ("reading", "crop", "training"))
    added = dict(zip(STAGES, (reading, max(crop - reading, 0.0), max(training - crop, 0.0)), strict=True))
    return {stage: seconds / sum(added.values()) for stage, seconds in added.items()}
