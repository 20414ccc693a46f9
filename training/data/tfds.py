"""Any classification data set of TensorFlow Datasets, by name or from a directory on disk.

Images stay on disk: a pass over the records notes where each one lies, and each is read from there when its turn comes,
so the order of training is as exact as for any other source, and a set may be larger than memory. A position in an
epoch is the index of an example: a worker that takes its part of the positions reads those examples and no others.
"""

import difflib
import logging
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from kres.training.data.cache import Arrays, cached
from kres.training.data.progress import progress
from kres.training.data.records import Keys, index_records
from kres.training.data.source import TEST_NAMES, Fingerprint, Read, Source, Split, from_files, hold_out

logger = logging.getLogger(__name__)

# Labels (n,), graph code from an index () to the encoded image, and the bytes of an example or image.
Opened = tuple[np.ndarray, Read, Fingerprint]

MIRRORED_MEANS_ANOTHER = frozenset({"emnist", "kmnist", "mnist", "mnist_corrupted", "omniglot", "svhn_cropped"})


def from_name(name: str, *, download: bool = True) -> Source:
    """The data set that TFDS calls `name` ("cifar10", "cifar10:3.0.2", "imagenet_resized/64x64:0.1.0").

    It is looked for in `TFDS_DATA_DIR` (`~/tensorflow_datasets` by default), and downloaded and prepared when it is not
    there yet. Raises ValueError for a name, configuration or version that there is none of, for a set whose files its
    user must download (with what to put where), and without `download` for one that is not there; OSError when the
    download fails.
    """
    builder = _builder(name)
    if not download and not builder.is_prepared():
        raise ValueError(
            f"{name} is not in {builder.data_dir}, and nothing was to be downloaded. Received: data={name!r}"
        )
    try:
        with redirect_stdout(sys.stderr):  # standard output is the caller's
            builder.download_and_prepare()
    except AssertionError as error:  # what TFDS raises for a set like imagenet2012, with the set's instructions
        raise ValueError(f"{name} cannot be prepared by TFDS alone. {error}") from error
    except (OSError, tfds.download.DownloadError) as error:
        raise OSError(
            f"{name} is not in {builder.data_dir} and could not be downloaded: check the network and the proxy, or "
            "prepare it on another machine and give its directory, or the folder of all sets as TFDS_DATA_DIR. "
            f"({_first_line(error)})"
        ) from error
    return _source(name, builder)


def _builder(name: str) -> Any:
    try:
        return tfds.builder(name)
    except tfds.core.registered.DatasetNotFoundError as error:
        close = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), n=3)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise ValueError(
            "a data source is 'digits', an image folder, a folder of TFRecord files, a .csv or .npz file, a TFDS "
            f"directory or a TFDS name.{hint} Received: data={name!r}"
        ) from error
    except (AssertionError, ValueError) as error:
        raise ValueError(f"{str(error).strip()} Received: data={name!r}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


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
    for part in TEST_NAMES:
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
    files = [str(path) for path in builder.info.splits[part].filepaths]
    labels, encoded, length = OPENED[file_format](builder, part, Keys(image=image_key, label=label_key))
    names = [f"{builder.info.full_name}/{part}/{index}" for index in range(len(labels))]
    return from_files(labels, names, encoded, files=files, fingerprint=length)


def _tfrecord(builder: Any, part: str, keys: Keys) -> Opened:
    info = builder.info.splits[part]
    index = index_records([str(path) for path in info.filepaths], keys)
    if len(index) != info.num_examples:
        raise ValueError(
            f"the TFRecord files of {builder.info.full_name} must hold the {info.num_examples} {part} examples that "
            f"dataset_info.json tells of. Received: {len(index)}"
        )
    return index.labels, index.encoded(), index.length


def _array_record(builder: Any, part: str, keys: Keys) -> Opened:
    examples = builder.as_data_source(part, decoders={keys.image: tfds.decode.SkipDecoding()})

    def look() -> Arrays:
        with progress("looking through the ArrayRecord files", len(examples)) as advance:
            labels, lengths = np.zeros((2, len(examples)), np.int64)
            for index in range(len(examples)):
                example = examples[index]
                labels[index], lengths[index] = example[keys.label], len(example[keys.image])
                advance(1)
        return {"labels": labels, "lengths": lengths}

    files = [str(path) for path in builder.info.splits[part].filepaths]
    found = cached("examples", files, look, question=repr(keys))
    lengths = found["lengths"]

    def encoded(index: tf.Tensor) -> tf.Tensor:
        read = tf.numpy_function(lambda k: examples[int(k)][keys.image], [index], tf.string, stateful=False)
        return tf.ensure_shape(read, ())

    return found["labels"], encoded, lambda index: int(lengths[index])


OPENED: dict[str, Callable[[Any, str, Keys], Opened]] = {"tfrecord": _tfrecord, "array_record": _array_record}
