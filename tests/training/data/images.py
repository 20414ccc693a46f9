"""Small images and sets of them for the tests of sources."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from kres.training.data import Split
from kres.training.data.source import from_files

FAULTS: tuple[Callable[[bytes], bytes], ...] = (
    lambda whole: whole[: len(whole) // 2],  # cut off
    lambda whole: whole[:20] + bytes([whole[20] ^ 0xFF]) + whole[21:],  # a bit of the header's turned round
    lambda whole: b"",
    lambda whole: b"no image at all",
)


def png(value: int, size: tuple[int, int] = (2, 2)) -> bytes:
    """A PNG file (h, w) of one colour."""
    return tf.io.encode_png(tf.fill((*size, 3), tf.cast(value, tf.uint8))).numpy()


def of_bytes(labels: Iterable[int], files: list[bytes] | None = None) -> Split:
    """A split of PNG images of the values 0, 1, ..., or of other bytes."""
    labels = np.array(list(labels), np.int64)
    stored = tf.constant(files if files is not None else [png(i) for i in range(len(labels))], tf.string)
    names = [f"image{i}" for i in range(len(labels))]
    return from_files(labels, names, lambda index: tf.gather(stored, index), files=())


def write_shard(path: Path, examples: Iterable[dict[str, object]]) -> None:
    """A TFRecord file of examples whose features are bytes, text or integers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            features = tf.train.Features(feature={key: _feature(value) for key, value in example.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())


def age(*paths: Path) -> None:
    """Make files an hour old, so that what is known of them is cached."""
    for path in paths:
        before = path.stat().st_mtime_ns - 3600 * 10**9
        os.utime(path, ns=(before, before))


def _feature(value: object) -> tf.train.Feature:
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    content = value.encode() if isinstance(value, str) else value
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
