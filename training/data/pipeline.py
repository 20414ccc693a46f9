"""tf.data pipelines over a source: shuffled training batches, evaluation batches in order, samples for calibration."""

import numpy as np
import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training.augmentation import draw, pad_crop_flip
from kres.training.data.source import Source, Split


def training_batches(
    source: Source, preprocess: Preprocess, *, batch_size: int, steps: range, seed: int, padding: int, flip: bool
) -> tf.data.Dataset:
    """Batches (images (n, s, s, 3) uint8, labels (n,) int32) of the training steps `steps`.

    Example k of the run is number k mod N of epoch k div N, whose order is a pure function of (seed, epoch): each
    example comes once an epoch, batches run across epochs, and the position in the data is one integer.
    """
    split = source.train
    flips = flip and source.flip_keeps_label

    def example(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image, label = _read(split, preprocess, shuffled(position, len(split), seed=seed))
        return image, label, draw(position, seed=seed)

    def augmented(images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return pad_crop_flip(images, draws, padding=padding, flip=flips), labels

    positions = tf.data.Dataset.range(steps.start * batch_size, steps.stop * batch_size)
    batches = positions.map(example, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size, drop_remainder=True)
    return _unsharded(batches.map(augmented).prefetch(2))


def shuffled(position: tf.Tensor, count: int, *, seed: int) -> tf.Tensor:
    """The example () int64 of 0..count-1 that stands at `position` () of an endless run of shuffled epochs."""
    epoch, place = position // count, position % count
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(place, key, tf.constant(count - 1, tf.int64))


def evaluation_batches(split: Split, preprocess: Preprocess, *, batch_size: int) -> tf.data.Dataset:
    """Every image of `split` once, in order: (images (n, s, s, 3) uint8, labels (n,)), the last batch maybe smaller."""
    examples = tf.data.Dataset.range(len(split)).map(
        lambda index: _read(split, preprocess, index), num_parallel_calls=tf.data.AUTOTUNE
    )
    return examples.batch(batch_size).prefetch(2)


def evaluation_images(
    source: Source, preprocess: Preprocess, *, split: str = "test", batch_size: int = 128
) -> tf.data.Dataset:
    """Every image of a split once, in order: (n, s, s, 3) float32 as the network takes them, and labels (n,)."""
    batches = evaluation_batches(source.split(split), preprocess, batch_size=batch_size)
    return batches.map(lambda images, labels: (preprocess(images), labels))


def sample_images(
    source: Source, preprocess: Preprocess, *, count: int, seed: int = 0, split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
    """`count` different images (count, s, s, 3) float32 as the network takes them, and labels, the classes in turn.

    Raises ValueError when the split has fewer images.
    """
    examples = source.split(split)
    if not 0 < count <= len(examples):
        raise ValueError(f"count must lie in 1..{len(examples)}, the images of the {split} split. Received: {count}")
    order = np.random.default_rng(seed).permutation(len(examples))
    labels = examples.labels[order]
    turn = np.zeros(len(order), int)
    for label in np.unique(labels):
        turn[labels == label] = np.arange(np.sum(labels == label))
    chosen = order[np.argsort(turn, kind="stable")[:count]]
    images = [_read(examples, preprocess, tf.constant(index, tf.int64))[0] for index in chosen]
    return np.asarray(preprocess(np.stack(images))), examples.labels[chosen].astype(np.int32)


def _read(split: Split, preprocess: Preprocess, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    label = tf.gather(tf.constant(split.labels, tf.int32), index)
    return preprocess.image_to_square(split.read(index)), label


def _unsharded(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
