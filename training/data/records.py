"""Random access to the examples of TFRecord files: one pass notes where each lies, and each is read when it is due.

The pass checks the sum of every record; what it notes is cached as long as the files stay as they are.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.lib.io.tf_record import tf_record_random_reader

from kres.training.data.cache import Arrays, cached
from kres.training.data.progress import progress
from kres.training.data.source import Read

HEADER_BYTES = 12  # of a TFRecord: its length and the checksum of that


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Features of a `tf.train.Example`: the encoded image, its label, and, where examples have them, words."""

    image: str
    label: str
    name: str = ""
    """The name of the image's file."""
    words: str = ""
    """The name of the image's class."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordIndex:
    """Where the examples of `files` lie, and what is small of each, in the order of the files."""

    files: Sequence[str]
    keys: Keys
    places: np.ndarray
    """(n, 3) int64: number of the file, first byte of the example, its length in bytes."""
    labels: np.ndarray
    """(n,) int64, as they are stored."""
    words: dict[int, str]
    """The name of a class by its stored label, of the labels whose examples have one."""
    _names: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def encoded(self) -> Read:
        """Graph code from an index () int64 to the bytes () of an image, which stays on disk until then."""
        return lambda index: tf.ensure_shape(tf.numpy_function(self._image, [index], tf.string, stateful=False), ())

    def length(self, number: int) -> int:
        """Bytes of an example."""
        return int(self.places[number, 2])

    def names(self) -> list[str]:
        """A name an example: its file's, then the image's own or else its number within the file."""
        files = [Path(file).name for file in self.files]
        numbers = self.places[:, 0]
        first = np.searchsorted(numbers, np.arange(len(files)))
        within = np.arange(len(self)) - first[numbers]
        own = (name.decode(errors="replace") for name in self._names)
        return [f"{files[f]}/{name or k}" for f, k, name in zip(numbers, within, own, strict=True)]

    def _image(self, index: np.ndarray) -> bytes:
        number, offset, length = (int(place) for place in self.places[index])
        # Opened anew each time: a large set has more files than a process may hold open.
        with open(self.files[number], "rb") as file:
            file.seek(offset)
            return _features(file.read(length))[self.keys.image].bytes_list.value[0]


def index_records(files: Sequence[str], keys: Keys) -> RecordIndex:
    """The examples of TFRecord `files`.

    Raises ValueError that names the file when one is missing, cut off or damaged, or has a record that is no example
    with an image and a label. (A file that was cut between two records looks whole.)
    """
    found = cached("records", files, lambda: _scan(files, keys), question=repr(keys))
    words = zip(found["word_labels"].tolist(), found["words"], strict=True)
    return RecordIndex(
        files=files,
        keys=keys,
        places=found["places"],
        labels=found["labels"],
        words={label: text.decode(errors="replace") for label, text in words},
        _names=found["names"],
    )


def _scan(files: Sequence[str], keys: Keys) -> Arrays:
    parts, words = [], dict[int, bytes]()
    with (
        ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool,
        progress("looking through the TFRecord files", len(files)) as advance,
    ):
        for part, part_words in pool.map(lambda file: _scan_file(file, keys), files):
            parts.append(part)
            words = part_words | words
            advance(1)
    places = [np.insert(part[0], 0, number, axis=1) for number, part in enumerate(parts)]
    return {
        "places": np.concatenate(places),
        "labels": np.concatenate([part[1] for part in parts]),
        "names": np.concatenate([part[2] for part in parts]),
        "word_labels": np.array(list(words), np.int64),
        "words": np.array(list(words.values()), np.bytes_),
    }


def _scan_file(file: str, keys: Keys) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], dict[int, bytes]]:
    """First byte and length (n, 2), labels (n,) and names (n,) of a file's examples, and the words of its classes."""
    places: list[tuple[int, int]] = []
    labels: list[int] = []
    names: list[bytes] = []
    words: dict[int, bytes] = {}
    for offset, record in _records(file):
        try:
            features = _features(record)
        except Exception as error:  # protobuf's own, of which TensorFlow makes no public name
            raise ValueError(f"a TFRecord file must hold tf.train.Example records. Received: {file}") from error
        label = _value(features, keys.label, "int64_list")
        if label is None or _value(features, keys.image, "bytes_list") is None:
            raise ValueError(
                f"every example needs the features {keys.image!r} (bytes) and {keys.label!r} (int64). "
                f"Received: {file}, where record {len(labels)} has {', '.join(_described(features)) or 'none'}"
            )
        places.append((offset, len(record)))
        labels.append(label)
        names.append(_value(features, keys.name, "bytes_list") or b"")
        if word := _value(features, keys.words, "bytes_list"):
            words.setdefault(label, word)
    arrays = np.array(places, np.int64).reshape(-1, 2), np.array(labels, np.int64), np.array(names, np.bytes_)
    return arrays, words


def _records(file: str) -> Iterator[tuple[int, bytes]]:
    """Each record of a TFRecord file and the byte where it begins; ValueError when the file is missing or damaged."""
    try:
        reader, offset = tf_record_random_reader(file), 0
        with closing(reader):
            while True:
                try:
                    record, after = reader.read(offset)  # checks the record's sum, too
                except IndexError:  # the end, or a few bytes before it, which TensorFlow overlooks
                    break
                yield offset + HEADER_BYTES, record
                offset = after
    except tf.errors.OpError as error:
        raise ValueError(f"a missing or damaged TFRecord file: {error.message}. Received: {file}") from error
    if offset != os.path.getsize(file):
        raise ValueError(f"a missing or damaged TFRecord file: truncated record at {offset}. Received: {file}")


def _features(record: bytes) -> Any:
    return tf.train.Example.FromString(record).features.feature


def _value(features: Any, key: str, kind: str) -> Any:
    """The first value of a feature; None when the example has no such feature, or one of another kind."""
    if key not in features:  # asking for it would add it
        return None
    values = getattr(features[key], kind).value
    return values[0] if values else None


def _described(features: Any) -> list[str]:
    return [f"{key!r} ({features[key].WhichOneof('kind')})" for key in sorted(features)]
