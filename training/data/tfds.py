"""Any classification data set of TensorFlow Datasets, by name or from a directory on disk.

Images stay on disk: a pass over the records notes where each one lies, and each is read from there when its turn comes,
so the order of training is as exact as for any other source, and a set may be larger than memory.
"""

import difflib
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow.python.lib.io.tf_record import tf_record_random_reader

from kres.training.data.source import Source, Split, from_files, hold_out

logger = logging.getLogger(__name__)

# Labels, and a function from an index () to the encoded image.
Opened = tuple[list[int], Callable[[np.ndarray], bytes]]

HEADER_BYTES = 12  # of a TFRecord: its length and the checksum of that
TEST_SPLITS = ("test", "validation")
MIRRORED_MEANS_ANOTHER = frozenset({"emnist", "kmnist", "mnist", "mnist_corrupted", "omniglot", "svhn_cropped"})


def from_name(name: str) -> Source:
    """The data set that TFDS calls `name`, downloaded and prepared when it is not there yet."""
    try:
        builder = tfds.builder(name)
    except tfds.core.registered.DatasetNotFoundError as error:
        close = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), n=3)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise ValueError(
            f"a data source is 'digits', an image folder, a TFDS directory or a TFDS name.{hint} "
            f"Received: data={name!r}"
        ) from error
    builder.download_and_prepare()
    return _source(name, builder)


def from_directory(path: Path) -> Source:
    """The prepared data set whose `dataset_info.json` lies in `path`."""
    return _source(str(path), tfds.builder_from_directory(str(path)))


def _source(name: str, builder: Any) -> Source:
    keys: tuple[str, ...] = builder.info.supervised_keys or ()
    image_key, label_key = keys if len(keys) == 2 else ("image", "label")
    features = builder.info.features
    kinds = {key: type(features[key]) for key in features}
    if (kinds.get(image_key), kinds.get(label_key)) != (tfds.features.Image, tfds.features.ClassLabel):
        raise ValueError(f"a TFDS source needs an Image and a ClassLabel feature. Received: {name!r} with {features}")
    if "train" not in builder.info.splits:
        raise ValueError(f"a TFDS source needs a 'train' split. Received: {name!r} with {sorted(builder.info.splits)}")
    train = _split(builder, "train", image_key=image_key, label_key=label_key)
    test = _labelled_test(builder, image_key=image_key, label_key=label_key)
    held_out = test is None
    if test is None:
        train, test = hold_out(train)
    names = tuple(features[label_key].names)
    keeps = builder.name not in MIRRORED_MEANS_ANOTHER
    return Source(name=name, class_names=names, train=train, test=test, flip_keeps_label=keeps, held_out=held_out)


def _labelled_test(builder: Any, *, image_key: str, label_key: str) -> Split | None:
    """The first test split that has labels: TFDS writes -1 for each one that a benchmark keeps to itself."""
    for part in TEST_SPLITS:
        if part in builder.info.splits:
            split = _split(builder, part, image_key=image_key, label_key=label_key)
            if (split.labels >= 0).any():
                return split
            logger.warning("the %s split of %s has no labels, and is left out", part, builder.info.full_name)
    return None


def _split(builder: Any, part: str, *, image_key: str, label_key: str) -> Split:
    file_format = builder.info.file_format.value
    if file_format not in OPENED:
        raise ValueError(
            f"a TFDS source must be stored as one of {', '.join(OPENED)}. Received: {builder.info.full_name} as "
            f"{file_format}"
        )
    labels, opened = OPENED[file_format](builder, part, image_key, label_key)

    def encoded(index: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(opened, [index], tf.string, stateful=False), ())

    names = [f"{builder.info.full_name}/{part}/{index}" for index in range(len(labels))]
    return from_files(np.array(labels, np.int64), names, encoded)


def _tfrecord(builder: Any, part: str, image_key: str, label_key: str) -> Opened:
    info = builder.info.splits[part]
    files = [str(path) for path in info.filepaths]
    places: list[tuple[int, int, int]] = []
    labels: list[int] = []
    for number, file in enumerate(files):
        for offset, record in _records(file):
            places.append((number, offset, len(record)))
            labels.append(_features(record)[label_key].int64_list.value[0])
    if len(labels) != info.num_examples:
        raise ValueError(
            f"the TFRecord files of {builder.info.full_name} must hold the {info.num_examples} {part} examples that "
            f"dataset_info.json tells of. Received: {len(labels)}"
        )
    table = np.array(places, np.int64)

    def encoded(index: np.ndarray) -> bytes:
        number, offset, length = (int(place) for place in table[index])
        # Opened anew each time: a large set has more files than a process may hold open.
        with open(files[number], "rb") as file:
            file.seek(offset)
            return _features(file.read(length))[image_key].bytes_list.value[0]

    return labels, encoded


def _records(file: str) -> Iterator[tuple[int, bytes]]:
    """Each record of a TFRecord file and the byte where it begins; ValueError when the file is missing or damaged."""
    try:
        reader, offset = tf_record_random_reader(file), 0
        with closing(reader):
            while True:
                try:
                    record, after = reader.read(offset)  # checks the record's sum, too
                except IndexError:  # the end
                    return
                yield offset + HEADER_BYTES, record
                offset = after
    except tf.errors.OpError as error:
        raise ValueError(f"a missing or damaged TFRecord file: {error.message}. Received: {file}") from error


def _features(record: bytes) -> Any:
    return tf.train.Example.FromString(record).features.feature


def _array_record(builder: Any, part: str, image_key: str, label_key: str) -> Opened:
    examples = builder.as_data_source(part, decoders={image_key: tfds.decode.SkipDecoding()})
    labels = [int(examples[index][label_key]) for index in range(len(examples))]
    return labels, lambda index: examples[int(index)][image_key]


OPENED: dict[str, Callable[[Any, str, str, str], Opened]] = {"tfrecord": _tfrecord, "array_record": _array_record}
