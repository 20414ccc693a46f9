"""Images that do not decode: found before a run, under a policy, or named when one turns up in it."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import numpy as np
import tensorflow as tf

from kres.choices import check_choice
from kres.datasets import untuned
from kres.training.data.cache import cached
from kres.training.data.progress import progress
from kres.training.data.source import Source, Split, subset

logger = logging.getLogger(__name__)

T = TypeVar("T")

UNCHECKED = "unchecked"
CORRUPT_POLICIES = ("fail", "skip", UNCHECKED)
AT_ONCE = 64


class UnreadableImage(ValueError):
    """An image that a run has come to cannot be read."""


def check_policy(on_corrupt: str) -> None:
    """ValueError for what is no policy about images that do not decode."""
    check_choice(on_corrupt, "on_corrupt", CORRUPT_POLICIES)


def checked(source: Source, *, on_corrupt: str) -> Source:
    """`source` without its unreadable images, under the policy that `on_corrupt` names."""
    train, corrupt_train = without_corrupt(source.train, on_corrupt=on_corrupt, what="training images")
    test, corrupt_test = without_corrupt(source.test, on_corrupt=on_corrupt, what="test images")
    return replace(source, train=train, test=test, corrupt=corrupt_train + corrupt_test)


def without_corrupt(split: Split, *, on_corrupt: str, what: str = "images") -> tuple[Split, tuple[str, ...]]:
    """Decode every image once; returns the readable part of the split and the names of the rest.

    Raises ValueError that names the unreadable images when `on_corrupt` is "fail", and always when none is readable.
    Checking ahead is what keeps the order of training a function of (seed, epoch) alone. What the check found is
    cached as long as the files stay as they are. Images that are arrays need no check, and under "unchecked" none has
    one: the pass takes as long as an epoch's decoding, 20 minutes for ImageNet at 1,000 images/s.
    `what` says in messages which images the split holds.
    """
    check_policy(on_corrupt)
    if split.encoded is None or on_corrupt == UNCHECKED:
        return split, ()
    names = hashlib.sha256("\n".join(split.names).encode()).hexdigest()
    found = cached(
        "readable",
        split.files,
        lambda: {"readable": readable(split, np.arange(len(split)))},
        question=f"TensorFlow {tf.__version__}, {names}",
    )["readable"]
    corrupt = tuple(split.names[i] for i in np.setdiff1d(np.arange(len(split)), found))
    if not corrupt:
        return split, ()
    message = f"{len(corrupt)} of {len(split)} {what} cannot be decoded: {_listed(corrupt)}."
    if not len(found):
        raise ValueError(f"{message} None is left.")
    if on_corrupt == "fail":
        raise ValueError(f"{message} on_corrupt='skip' goes on without them. Received: on_corrupt='fail'")
    logger.warning("%s They are skipped.", message)
    return subset(split, found), corrupt


def readable(split: Split, indices: np.ndarray) -> np.ndarray:
    """Those of `indices` (m,) whose images decode whole, in the same order."""

    def decodes(index: tf.Tensor) -> tf.Tensor:
        # The size must take part in the result: an unused decode would be pruned from the graph.
        return index + tf.size(split.read(index), tf.int64) * 0

    whole = tf.data.Dataset.from_tensor_slices(indices.astype(np.int64))
    whole = whole.map(decodes, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors().batch(AT_ONCE)
    found = [np.empty(0, np.int64)]
    with progress("decoding every image once", len(indices)) as advance:
        for batch in untuned(whole).as_numpy_iterator():
            found.append(batch)
            advance(len(batch))
    return np.concatenate(found)


@contextmanager
def corrupt_named(split: Split, indices: Callable[[], Iterable[int]] | None = None) -> Iterator[None]:
    """Inside, an error of tf.data's that an image of `split` explains becomes an UnreadableImage with its name.

    tf.data's own says what is wrong with the bytes, but not which image they are. `indices` gives the examples that
    the failing step was about to read; without it, the whole split is decoded. When all of them are readable, the
    fault lies elsewhere, and the error goes on as it is.
    """
    try:
        yield
    except tf.errors.OpError as error:
        suspects = np.unique(np.arange(len(split)) if indices is None else np.fromiter(indices(), np.int64))
        corrupt = np.setdiff1d(suspects, readable(split, suspects))
        if not len(corrupt):
            raise
        names = _listed([split.names[i] for i in corrupt])
        reason = error.message.strip().partition("\n")[0]
        raise UnreadableImage(
            f"{len(corrupt)} image(s) cannot be decoded: {names}. Restore them and go on from the last checkpoint, or "
            f"begin anew with on_corrupt='skip', which leaves them out. ({reason})"
        ) from error


def naming_corrupt(
    batches: Iterable[T], split: Split, indices: Callable[[], Iterable[int]] | None = None
) -> Iterator[T]:
    """The `batches` of a tf.data pipeline over `split`, whose errors name the images as `corrupt_named` does."""
    iterator = iter(batches)
    while True:
        with corrupt_named(split, indices):
            try:
                batch = next(iterator)
            except StopIteration:
                return
        yield batch


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
