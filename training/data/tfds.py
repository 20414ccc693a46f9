"""Any classification data set of TensorFlow Datasets, by name or from a directory on disk.

TFRecord files have no random access, so the *encoded* images are held in memory, up to 8 GiB of them; the order of
training is then as exact as for any other source.
"""

import difflib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from kres.training.data.source import Source, Split, decode, hold_out

MEMORY_LIMIT_BYTES = 8 * 2**30
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
    _require_memory(name, builder)
    train = _split(builder, "train", image_key=image_key, label_key=label_key)
    tests = [part for part in TEST_SPLITS if part in builder.info.splits]
    if tests:
        test = _split(builder, tests[0], image_key=image_key, label_key=label_key)
    else:
        train, test = hold_out(train)
    names = tuple(features[label_key].names)
    keeps = builder.name not in MIRRORED_MEANS_ANOTHER
    return Source(name=name, class_names=names, train=train, test=test, flip_keeps_label=keeps)


def _require_memory(name: str, builder: Any) -> None:
    size = sum(info.num_bytes for info in builder.info.splits.values())
    if size > MEMORY_LIMIT_BYTES:
        raise ValueError(
            f"a TFDS source may hold {MEMORY_LIMIT_BYTES / 2**30:.0f} GiB of encoded images, because they are kept in "
            f"memory; larger sets can be given as an image folder. Received: {name!r} with {size / 2**30:.1f} GiB"
        )


def _split(builder: Any, part: str, *, image_key: str, label_key: str) -> Split:
    decoders = {image_key: tfds.decode.SkipDecoding()}
    if builder.info.file_format.value == "array_record":
        examples = builder.as_data_source(part, decoders=decoders)
    else:
        examples = tfds.as_numpy(builder.as_dataset(split=part, decoders=decoders, shuffle_files=False))
    encoded, labels = [], []
    for example in examples:
        encoded.append(example[image_key])
        labels.append(example[label_key])
    stored = tf.constant(encoded, tf.string)
    return Split(
        labels=np.array(labels, np.int64),
        names=[f"{builder.info.full_name}/{part}/{i}" for i in range(len(labels))],
        read=lambda index: decode(tf.gather(stored, index)),
    )
