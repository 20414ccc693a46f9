"""What is in a source: how many of which class, sizes and kinds of the images, what does not decode, what leaks."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from kres.datasets import untuned
from kres.training.data.progress import progress
from kres.training.data.source import Source, Split, image_digest

AT_ONCE = 64
GREY_MODES = frozenset({"1", "L", "I", "I;16", "F"})
ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The least, the middle and the greatest of some numbers."""

    min: float
    median: float
    max: float


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is in a source; images that do not decode are named, and left out of everything else."""

    name: str
    class_names: tuple[str, ...]
    held_out: bool
    """Whether the test split was cut off the rest here."""
    counts: dict[str, list[int]]
    """Images of each class, for "train" and "test"."""
    width: Spread
    """Pixels."""
    height: Spread
    """Pixels."""
    file_bytes: Spread | None
    """Bytes of a file; None where images are arrays."""
    formats: dict[str, int]
    """Images by the format of their files: JPEG, PNG, ..., or array."""
    colours: dict[str, int]
    """Images that are stored as colour, grey, CMYK, or with alpha."""
    other_formats: dict[str, int]
    """Image files that are not read, because of their format, by suffix."""
    corrupt: tuple[str, ...]
    leaks: tuple[tuple[str, str], ...]
    """Names of a training and a test image that are the same, byte for byte."""
    repeats: dict[str, int]
    """Images of each split that are the same as one before them in it."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What one image is without decoding it."""

    width: int
    height: int
    file_bytes: int | None
    format: str
    colour: str
    digest: str


def inspect(source: Source) -> Inspection:
    """Read every image of `source` once, without decoding it, and tell what is there."""
    splits = {"train": source.train, "test": source.test}
    facts = {part: list(_facts(split)) for part, split in splits.items()}
    every = [fact for found in facts.values() for fact in found]
    sizes = [fact.file_bytes for fact in every if fact.file_bytes is not None]
    first = {part: _first_of_each(found) for part, found in facts.items()}
    leaks = [
        (source.train.names[first["train"][fact.digest]], source.test.names[index])
        for index, fact in enumerate(facts["test"])
        if fact.digest in first["train"]
    ]
    return Inspection(
        name=source.name,
        class_names=source.class_names,
        held_out=source.held_out,
        counts={part: np.bincount(split.labels, minlength=source.classes).tolist() for part, split in splits.items()},
        width=_spread([fact.width for fact in every]),
        height=_spread([fact.height for fact in every]),
        file_bytes=_spread(sizes) if sizes else None,
        formats=dict(Counter(fact.format for fact in every).most_common()),
        colours=dict(Counter(fact.colour for fact in every).most_common()),
        other_formats=dict(source.other_formats),
        corrupt=source.corrupt,
        leaks=tuple(leaks),
        repeats={part: len(found) - len(first[part]) for part, found in facts.items()},
    )


def _facts(split: Split) -> Iterator[Facts]:
    indices = tf.data.Dataset.range(len(split))
    with progress("reading every image once", len(split)) as advance:
        if split.encoded is None:
            images = untuned(indices.map(split.read, num_parallel_calls=tf.data.AUTOTUNE))
            for image in images.as_numpy_iterator():
                advance(1)
                yield _of_array(image)
        else:
            contents = indices.map(split.encoded, num_parallel_calls=tf.data.AUTOTUNE).batch(AT_ONCE).prefetch(2)
            for batch in untuned(contents).as_numpy_iterator():
                advance(len(batch))
                yield from map(_of_file, batch)


def _of_array(image: np.ndarray) -> Facts:
    height, width, _ = image.shape
    grey = bool((image == image[..., :1]).all())
    return Facts(
        width=width,
        height=height,
        file_bytes=None,
        format="array",
        colour="grey" if grey else "colour",
        digest=image_digest(image),
    )


def _of_file(content: bytes) -> Facts:
    try:
        with Image.open(io.BytesIO(content)) as image:
            (width, height), kind, colour = image.size, image.format or "unknown", _colour(image)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):  # TensorFlow decodes it, or it would not be here
        height, width, _ = tf.io.decode_image(content, channels=3, expand_animations=False).shape
        kind, colour = "unknown", "unknown"
    return Facts(
        width=width,
        height=height,
        file_bytes=len(content),
        format=kind,
        colour=colour,
        digest=hashlib.blake2b(content, digest_size=16).hexdigest(),
    )


def _colour(image: Image.Image) -> str:
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        return "alpha"
    return "grey" if image.mode in GREY_MODES else "CMYK" if image.mode == "CMYK" else "colour"


def _first_of_each(facts: list[Facts]) -> dict[str, int]:
    first: dict[str, int] = {}
    for index, fact in enumerate(facts):
        first.setdefault(fact.digest, index)
    return first


def _spread(values: list[int]) -> Spread:
    return Spread(min=float(min(values)), median=float(np.median(values)), max=float(max(values)))
