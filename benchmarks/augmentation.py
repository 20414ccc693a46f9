"""Augmentation of batches of 64 images of 224 px: kres against Keras's own layers, each within tf.data on two threads.

Speed is one reason why kres has its own; that no step could be repeated is another, as Keras's draw from a state.
"""

from collections.abc import Callable
from functools import partial

import keras
import tensorflow as tf

from benchmarks.harness import Row, arguments, in_turns, report, timed
from kres.datasets import untuned
from kres.training.augmentation import Numbers, augment_batch, augment_image, batch_numbers
from kres.training.settings import Augmentation

CLASSES = 10
PAIRS: dict[str, tuple[Augmentation, Callable[[], keras.Layer]]] = {
    "flip": (Augmentation(crop="none", flip=True), lambda: keras.layers.RandomFlip("horizontal")),
    "random erasing": (Augmentation(crop="none", flip=False, erase=1.0), keras.layers.RandomErasing),
    "mixup": (Augmentation(crop="none", flip=False, mixup=0.2), lambda: keras.layers.MixUp(alpha=0.2)),
    "cutmix": (Augmentation(crop="none", flip=False, cutmix=1.0), lambda: keras.layers.CutMix(factor=1.0)),
    "RandAugment": (
        Augmentation(crop="none", flip=False, policy="randaugment"),
        lambda: keras.layers.RandAugment(value_range=(0, 255)),
    ),
}
"""Of each augmentation how a recipe asks for it, and Keras's layer."""


def ours(images: tf.data.Dataset, augmentation: Augmentation, *, batch: int, size: int) -> tf.data.Dataset:
    """Images one by one, then the batch, as `training_batches` and a training step do."""

    @tf.autograph.experimental.do_not_convert
    def one(number: tf.Tensor, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        numbers = Numbers(0, number)
        image = augment_image(image, numbers, augmentation=augmentation, flip=augmentation.flip)
        return image, batch_numbers(numbers, Numbers(0, number // batch), augmentation=augmentation, size=size)

    @tf.autograph.experimental.do_not_convert
    def many(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        labels = tf.zeros((batch,), tf.int32)
        mean = (0.5, 0.5, 0.5)
        return augment_batch(images, labels, draws, augmentation=augmentation, classes=CLASSES, mean=mean)[0]

    batches = images.enumerate().map(one, num_parallel_calls=2).batch(batch, drop_remainder=True)
    return untuned(batches.map(many, num_parallel_calls=2).prefetch(2))


def keras_s(images: tf.data.Dataset, layer: keras.Layer, *, batch: int) -> tf.data.Dataset:
    """The layer on batches of float32 images with their labels, as Keras's guide has it."""

    def many(images: tf.Tensor) -> tf.Tensor:
        images = tf.cast(images, tf.float32)
        if not isinstance(layer, keras.layers.MixUp | keras.layers.CutMix):
            return layer(images, training=True)
        return layer({"images": images, "labels": tf.zeros((batch, CLASSES))}, training=True)["images"]

    batches = images.batch(batch, drop_remainder=True).map(many, num_parallel_calls=2)
    return untuned(batches.prefetch(2))


def _drained(dataset: tf.data.Dataset) -> list[float]:
    return [timed(lambda: sum(1 for _ in dataset))]


def main() -> None:
    options = arguments(__doc__)
    count, batch, size = (8, 4, 32) if options.toy else (1024, 64, 224)
    image = tf.cast(tf.random.stateless_uniform((size, size, 3), (0, 0), maxval=256, dtype=tf.int32), tf.uint8)
    images = tf.data.Dataset.from_tensors(image).repeat(count)
    rows = []
    for name, (augmentation, layer) in PAIRS.items():
        pipelines = {
            "kres": ours(images, augmentation, batch=batch, size=size),
            "keras": keras_s(images, layer(), batch=batch),
        }
        for pipeline in pipelines.values():
            _drained(pipeline)  # traces the graph
        seconds = in_turns({who: partial(_drained, pipeline) for who, pipeline in pipelines.items()}, options.rounds)
        title = f"{name}, {count} images of {size} px, against Keras's layer"
        rows.append(Row(name=title, kres=seconds["kres"], stock=seconds["keras"]))
    report(rows, options)


if __name__ == "__main__":
    main()
