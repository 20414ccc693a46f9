"""tf.data pipelines over a source: shuffled training batches, evaluation batches in order, samples for calibration."""

from typing import Any

import numpy as np
import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training.augmentation import Numbers, augment_image, batch_numbers, check_mixing
from kres.training.data.corrupt import corrupt_named
from kres.training.data.crops import check_crop, read_square
from kres.training.data.evaluation import evaluation_batches
from kres.training.data.settled import settled
from kres.training.data.source import Source, Split
from kres.training.data.squares import squares_of
from kres.training.preprocessing import preprocess_of
from kres.training.settings import Augmentation, Images


def training_batches(
    source: Source,
    images: Images,
    augmentation: Augmentation,
    *,
    size_px: int,
    batch_size: int,
    steps: range,
    seed: int,
    replicas: int = 1,
    first_replica: int = 0,
    local_replicas: int = 1,
    compiled: bool = True,
) -> tf.data.Dataset:
    """What the local replicas of the training steps `steps` compute on, one element a replica, step after step.

    An element holds images (b, s, s, 3) uint8, labels (b,) int32 and the numbers (b, k) float32 that `augment_batch`
    takes, b being `batch_size / replicas`. Replica r has the r-th part of each batch; the elements here are those of
    `local_replicas` replicas from `first_replica` on, so that processes together read what one alone would, and each
    its own part.

    Image k of the run is number k mod N of epoch k div N, whose order is a pure function of (seed, epoch): each image
    comes once an epoch, batches run across epochs, and the position in the data is one integer. With `repeats` each
    image comes so often in a row, and batches are cut off the row wherever they end. Without `compiled`, the graph
    holds operations of TensorFlow alone, which any process can run; on x86-64 the elements are the same.

    Raises ValueError when the batch is no multiple of the replicas, when there are no such local replicas, when mixing
    finds no pairs, and when a random crop could be larger than its image.
    """
    _check_parts(batch_size, replicas, first_replica, local_replicas)
    check_crop(augmentation, size=size_px)
    check_mixing(augmentation, batch_size=batch_size, parts=replicas)
    split = source.train
    preprocess = preprocess_of(images, size_px=size_px)
    part = batch_size // replicas
    local = part * local_replicas
    dealt = _dealt(batch_size, repeats=augmentation.repeats)

    flip = augmentation.flip and source.flip_keeps_label
    squares = squares_of(split, preprocess=preprocess, augmentation=augmentation, flip=flip) if compiled else None

    @tf.autograph.experimental.do_not_convert
    def example(number: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        step, place = steps.start + number // local * steps.step, first_replica * part + number % local
        in_row = step * batch_size + tf.gather(dealt, place)
        index = shuffled(in_row // augmentation.repeats, len(split), seed=seed)
        numbers = Numbers(seed, step * batch_size + place)
        if squares:
            image = squares.inputs(index, numbers)
        else:
            image = read_square(split, index, numbers, preprocess=preprocess, augmentation=augmentation)
            image = augment_image(image, numbers, augmentation=augmentation, flip=flip)
        draws = batch_numbers(numbers, Numbers(seed, step), augmentation=augmentation, size=size_px)
        return image, _label(split, index), draws

    places = tf.data.Dataset.range(len(steps) * local)
    examples = places.map(example, num_parallel_calls=tf.data.AUTOTUNE)
    batches = squares.batches(examples, part) if squares else examples.batch(part, drop_remainder=True)
    return settled(batches.prefetch(2 * local_replicas))


def _check_parts(batch_size: int, replicas: int, first_replica: int, local_replicas: int) -> None:
    if batch_size % replicas:
        raise ValueError(f"batch_size must be a multiple of replicas={replicas}. Received: batch_size={batch_size}")
    if not (first_replica >= 0 and local_replicas >= 1 and first_replica + local_replicas <= replicas):
        raise ValueError(
            f"local replicas must lie among the {replicas} of the run. "
            f"Received: first_replica={first_replica}, local_replicas={local_replicas}"
        )


def _dealt(batch_size: int, *, repeats: int) -> np.ndarray:
    """Which of a batch's images, counted as they come in the row of copies, stands at each of its places (b,).

    Every `repeats`-th one, then those beside them, and so on: copies of an image lie about b / `repeats` places apart,
    on other replicas where there are so many, and never at 2i and 2i + 1, where they would be mixed.
    """
    return np.concatenate([np.arange(first, batch_size, repeats) for first in range(repeats)])


def shuffled(position: tf.Tensor, count: int, *, seed: int) -> tf.Tensor:
    """The example () int64 of 0..count-1 that stands at `position` () of an endless run of shuffled epochs."""
    epoch, place = position // count, position % count
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(place, key, tf.constant(count - 1, tf.int64))


def examples_of_step(source: Source, step: int, *, batch_size: int, repeats: int, seed: int) -> np.ndarray:
    """The different images (m,) of the training split that `training_batches` reads for a step."""
    first, last = step * batch_size // repeats, ((step + 1) * batch_size - 1) // repeats
    places = tf.range(first, last + 1, dtype=tf.int64)
    return np.array([shuffled(place, len(source.train), seed=seed) for place in places])


def evaluation_images(
    source: Source, preprocess: Preprocess, *, split: str = "test", batch_size: int = 128
) -> tf.data.Dataset:
    """Every image of a split once, in order: (n, s, s, 3) float32 as the network takes them, and labels (n,)."""
    batches = evaluation_batches(source.split(split), preprocess, batch_size=batch_size)

    def inputs(images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        real = weights > 0  # the last batch is filled up
        return preprocess(tf.boolean_mask(images, real)), tf.boolean_mask(labels, real)

    return batches.map(inputs)


def sample_images(
    source: Source, preprocess: Preprocess, *, count: int, seed: int = 0, split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
    """`count` different images (count, s, s, 3) float32 as the network takes them, and labels, the classes in turn.

    Raises ValueError when the split has fewer images, or one of these cannot be decoded.
    """
    examples = source.split(split)
    if not 0 < count <= len(examples):
        raise ValueError(f"count must lie in 1..{len(examples)}, the images of the {split} split. Received: {count=}")
    order = np.random.default_rng(seed).permutation(len(examples))
    labels = examples.labels[order]
    turn = np.zeros(len(order), int)
    for label in np.unique(labels):
        turn[labels == label] = np.arange(np.sum(labels == label))
    chosen = order[np.argsort(turn, kind="stable")[:count]]
    with corrupt_named(examples, lambda: chosen):
        images = [_read(examples, preprocess, tf.constant(index, tf.int64))[0] for index in chosen]
    return np.asarray(preprocess(np.stack(images))), examples.labels[chosen].astype(np.int32)


def _read(split: Split, preprocess: Preprocess, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return preprocess.image_to_square(split.read(index)), _label(split, index)


def _label(split: Split, index: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.constant(split.labels, tf.int32), index)
