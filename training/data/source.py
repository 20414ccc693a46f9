"""What a source of labelled images is, and what every source shares: splits of splits."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from kres.choices import check_choice
from kres.imagefiles import decode

Read = Callable[[tf.Tensor], tf.Tensor]
Fingerprint = Callable[[int], int | str]
SPLITS = ("train", "test", "all")
TEST_NAMES = ("test", "val", "validation", "valid", "testing", "eval", "dev")
"""What a source may call its test split, the first of these that it has."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Labelled images with random access: `read` is graph code from an index () int64 to an image (h, w, 3) uint8."""

    labels: np.ndarray
    names: Sequence[str]
    read: Read
    encoded: Read | None = None
    """Graph code from an index () to the bytes () of the image's file; None where images are arrays."""
    files: Sequence[str] = ()
    """The files that hold the images: while they stay as they are, so does what a check of the images found."""
    fingerprint: Fingerprint | None = None
    """What tells an image from another of the same name: of an array a hash, of encoded images their bytes' number.

    A hash of these would take a pass over all files. None where nothing but the name tells.
    """

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
    other_formats: Mapping[str, int] = field(default_factory=dict)
    """Image files that lie there and are not in it, because their format is not read: how many, by suffix."""

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
        check_choice(name, "split", SPLITS)
        return joined(self.train, self.test) if name == "all" else self.train if name == "train" else self.test

    def names_sha256(self) -> str:
        """A digest of the classes' names, and of the name and label of each image in its order."""
        digest = hashlib.sha256("\n".join(self.class_names).encode())
        for split in (self.train, self.test):
            pairs = zip(split.names, split.labels, strict=True)
            digest.update("\n".join(f"{name}\t{label}" for name, label in pairs).encode())
        return digest.hexdigest()

    def contents_sha256(self) -> str | None:
        """A digest of each image's fingerprint in its order; None for a source that has none.

        Raises OSError when an image's file is gone.
        """
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            if split.fingerprint is None:
                return None
            digest.update("\n".join(str(split.fingerprint(index)) for index in range(len(split))).encode())
        return digest.hexdigest()


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
    fingerprint = split.fingerprint

    def behind(function: Read) -> Read:
        return lambda index: function(tf.gather(chosen, index))

    return Split(
        labels=split.labels[indices],
        names=[split.names[i] for i in indices],
        read=behind(split.read),
        encoded=behind(split.encoded) if split.encoded else None,
        files=split.files,
        fingerprint=(lambda index: fingerprint(int(indices[index]))) if fingerprint else None,
    )


def joined(first: Split, second: Split) -> Split:
    """The examples of both, one split behind the other."""
    count = len(first)
    mark, mark_behind = first.fingerprint, second.fingerprint

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
        files=[*first.files, *second.files],
        fingerprint=(lambda index: mark(index) if index < count else mark_behind(index - count))
        if mark and mark_behind
        else None,
    )


def from_files(
    labels: np.ndarray,
    names: Sequence[str],
    encoded: Read,
    *,
    files: Sequence[str],
    fingerprint: Fingerprint | None = None,
) -> Split:
    """A split of encoded images that lie in `files`, each decoded when it is read."""
    return Split(
        labels=labels,
        names=names,
        read=lambda index: decode(encoded(index)),
        encoded=encoded,
        files=files,
        fingerprint=fingerprint,
    )


def image_files(files: Sequence[str], labels: np.ndarray, names: Sequence[str]) -> Split:
    """A split of images, a file each."""
    paths = tf.constant(files, tf.string)
    return from_files(
        labels,
        names,
        lambda index: tf.io.read_file(tf.gather(paths, index)),
        files=files,
        fingerprint=lambda index: os.path.getsize(files[index]),
    )


def hold_out(split: Split, *, test_share: float = 0.2) -> tuple[Split, Split]:
    """A fixed stratified (train, test) division of a split that came without one."""
    count = min(max(round(len(split) * test_share), 1), len(split) - 1)
    mask = stratified_split(split.labels, split.names, test_count=count)
    return subset(split, np.flatnonzero(~mask)), subset(split, np.flatnonzero(mask))


def either(names: Sequence[str]) -> str:
    """Two words or more, as a sentence lists them."""
    return " or ".join([", ".join(names[:-1]), names[-1]])


def image_digest(image: np.ndarray) -> str:
    """A hash of an image (h, w, c) uint8 and its shape: about 0.4 GB a second."""
    return hashlib.blake2b(f"{image.shape}".encode() + image.tobytes(), digest_size=16).hexdigest()
