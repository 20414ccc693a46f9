"""What a source of labelled images is, and what every source shares: the fixed split and the check of the files."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

logger = logging.getLogger(__name__)

Read = Callable[[tf.Tensor], tf.Tensor]
CORRUPT_POLICIES = ("fail", "skip")
SPLITS = ("train", "test", "all")

JPEG_MAGIC = b"\xff\xd8\xff"
EXACT_DCT = "INTEGER_ACCURATE"
"""Gives PIL's pixels; TensorFlow's default is on average 0.7 grey levels darker, and no faster."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Labelled images with random access: `read` is graph code from an index () int64 to an image (h, w, 3) uint8."""

    labels: np.ndarray
    names: Sequence[str]
    read: Read
    encoded: Read | None = None
    """Graph code from an index () to the bytes () of the image's file; None where images are arrays."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A train and a test split of one set of classes; `corrupt` names the images that were left out as unreadable."""

    name: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    flip_keeps_label: bool
    corrupt: tuple[str, ...] = ()
    held_out: bool = False
    """Whether the test split was cut off the rest here, because the source has none of its own."""

    def __post_init__(self) -> None:
        for part, split in (("train", self.train), ("test", self.test)):
            if not len(split):
                raise ValueError(f"a source needs images in both splits, but {self.name!r} has no {part} image.")
            low, high = int(split.labels.min()), int(split.labels.max())
            if low < 0 or high >= self.classes:
                wrong = low if low < 0 else high
                raise ValueError(
                    f"labels of {self.name!r} must lie in 0..{self.classes - 1} ({self.classes} classes). "
                    f"Received: label={wrong} in the {part} split."
                )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def split(self, name: str) -> Split:
        """The split called `name`: "train", "test" or "all", which is both; ValueError for another name."""
        if name not in SPLITS:
            raise ValueError(f"a split must be one of {SPLITS}. Received: split={name!r}")
        return joined(self.train, self.test) if name == "all" else self.train if name == "train" else self.test


def stratified_split(labels: np.ndarray, keys: Sequence[str], *, test_count: int, seed: int = 0) -> np.ndarray:
    """A mask (n,) bool of the test examples: each class gives its share, by the order of a hash of seed and key.

    A hash and not a random generator, so that the split is the same under every version of every library. Shares are
    rounded by largest remainder and so add up to `test_count`.
    """
    if not 0 < test_count < len(labels):
        raise ValueError(f"test_count must lie in 1..{len(labels) - 1}. Received: test_count={test_count}")
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * (test_count / len(labels))
    quotas = np.floor(shares).astype(int)
    quotas[np.argsort(quotas - shares, kind="stable")[: test_count - quotas.sum()]] += 1
    digests = np.array([hashlib.sha256(f"{seed}:{key}".encode()).hexdigest() for key in keys])
    mask = np.zeros(len(labels), bool)
    for label, quota in zip(classes, quotas, strict=True):
        members = np.flatnonzero(labels == label)
        mask[members[np.argsort(digests[members], kind="stable")[:quota]]] = True
    return mask


def subset(split: Split, indices: np.ndarray) -> Split:
    """The examples of `split` at `indices` (m,), in that order."""
    chosen = tf.constant(indices, tf.int64)

    def behind(function: Read) -> Read:
        return lambda index: function(tf.gather(chosen, index))

    return Split(
        labels=split.labels[indices],
        names=[split.names[i] for i in indices],
        read=behind(split.read),
        encoded=behind(split.encoded) if split.encoded else None,
    )


def joined(first: Split, second: Split) -> Split:
    """The examples of both, one split behind the other."""
    count = len(first)

    def either(before: Read, behind: Read) -> Read:
        return lambda index: tf.cond(
            index < count,
            lambda: before(tf.minimum(index, count - 1)),
            lambda: behind(tf.maximum(index - count, 0)),
        )

    return Split(
        labels=np.concatenate([first.labels, second.labels]),
        names=[*first.names, *second.names],
        read=either(first.read, second.read),
        encoded=either(first.encoded, second.encoded) if first.encoded and second.encoded else None,
    )


def from_files(labels: np.ndarray, names: Sequence[str], encoded: Read) -> Split:
    """A split of image files, each decoded when it is read."""
    return Split(labels=labels, names=names, read=lambda index: decode(encoded(index)), encoded=encoded)


def hold_out(split: Split, *, test_share: float = 0.2) -> tuple[Split, Split]:
    """A fixed stratified (train, test) division of a split that came without one."""
    count = min(max(round(len(split) * test_share), 1), len(split) - 1)
    mask = stratified_split(split.labels, split.names, test_count=count)
    return subset(split, np.flatnonzero(~mask)), subset(split, np.flatnonzero(mask))


def check_policy(on_corrupt: str) -> None:
    """ValueError for what is no policy about images that do not decode."""
    if on_corrupt not in CORRUPT_POLICIES:
        raise ValueError(f"on_corrupt must be one of {CORRUPT_POLICIES}. Received: on_corrupt={on_corrupt!r}")


def without_corrupt(split: Split, *, on_corrupt: str) -> tuple[Split, tuple[str, ...]]:
    """Decode every image once; returns the readable part of the split and the names of the rest.

    Raises ValueError that names the unreadable images when `on_corrupt` is "fail", and always when none is readable.
    Checking ahead is what keeps the order of training a function of (seed, epoch) alone.
    """
    check_policy(on_corrupt)

    def decodes(index: tf.Tensor) -> tf.Tensor:
        # The size must take part in the result: an unused decode would be pruned from the graph.
        return index + tf.size(split.read(index), tf.int64) * 0

    found = tf.data.Dataset.range(len(split)).map(decodes, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    readable = np.array(list(found.as_numpy_iterator()), dtype=int)
    corrupt = tuple(split.names[i] for i in np.setdiff1d(np.arange(len(split)), readable))
    if not corrupt:
        return split, ()
    listed = ", ".join(corrupt[:10]) + (", ..." if len(corrupt) > 10 else "")
    message = f"{len(corrupt)} of {len(split)} images cannot be decoded: {listed}."
    if not len(readable):
        raise ValueError(f"{message} None is left.")
    if on_corrupt == "fail":
        raise ValueError(f"{message} on_corrupt='skip' goes on without them. Received: on_corrupt='fail'")
    logger.warning("%s They are skipped.", message)
    return subset(split, readable), corrupt


def checked(source: Source, *, on_corrupt: str) -> Source:
    """`source` without its unreadable images, under the policy that `on_corrupt` names."""
    train, corrupt_train = without_corrupt(source.train, on_corrupt=on_corrupt)
    test, corrupt_test = without_corrupt(source.test, on_corrupt=on_corrupt)
    return replace(source, train=train, test=test, corrupt=corrupt_train + corrupt_test)


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """A JPEG, PNG, BMP or (first frame of a) GIF file's bytes () as an image (h, w, 3) uint8, with PIL's pixels."""
    image = tf.cond(
        is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method=EXACT_DCT),
        lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )
    return tf.ensure_shape(image, (None, None, 3))


def is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a file's bytes () begin as a JPEG's do: () bool."""
    return tf.strings.substr(encoded, 0, len(JPEG_MAGIC)) == JPEG_MAGIC
