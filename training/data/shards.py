"""TFRecord files in the layout of the TensorFlow model garden's ImageNet, and any set of images in the same layout.

`train-00000-of-01024` ..., `validation-00000-of-00128` ..., in one folder or one level below it, of `tf.train.Example`
records with `image/encoded`, `image/class/label` and, where there, `image/filename` and `image/class/text`:
https://github.com/tensorflow/models/tree/master/official/vision (its script is `imagenet_to_gcs.py` of the TPU tools).
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kres.training.data.records import Keys, RecordIndex, index_records
from kres.training.data.source import TEST_NAMES, Source, Split, from_files, hold_out

logger = logging.getLogger(__name__)

KEYS = Keys(image="image/encoded", label="image/class/label", name="image/filename", words="image/class/text")
FILE = re.compile(r"(?P<name>.+)-(?P<shard>\d+)-of-(?P<count>\d+)(\.tfrecords?)?")
TRAIN = "train"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One file: `NAME-SHARD-of-COUNT`, with the digits as they are written."""

    path: Path
    name: str
    shard: str
    count: str

    @property
    def part(self) -> str | None:
        """The split that the name ends with, as in `train`, `flowers_train`, or `flowers-train.tfrecord`."""
        words = [word for word in re.split(r"[-_.]", self.name.lower()) if word in (TRAIN, *TEST_NAMES)]
        return words[-1] if words else None


def shards_in(path: Path) -> list[Shard]:
    """The files of this layout in a folder or one level below, in order."""
    files = sorted((*path.glob("*-of-*"), *path.glob("*/*-of-*")))
    return [
        Shard(path=file, name=match["name"], shard=match["shard"], count=match["count"])
        for file in files
        if (match := FILE.fullmatch(file.name)) and file.is_file()
    ]


def from_shards(path: Path, shards: list[Shard]) -> Source:
    """The set whose files `shards` are; without a test or validation split of its own, a fifth is held out.

    Labels begin at 1 in the model garden's files (0 is left for a background that no image shows) and at 0 in others':
    the smallest label of the training split, which must be 0 or 1, is class 0 here. So ImageNet's labels 1..1000 are
    the classes 0..999 of every network of kres.

    Raises ValueError for a missing shard, a damaged file, two sets in one folder, or labels that begin elsewhere.
    """
    splits = _by_split(path, shards)
    if TRAIN not in splits:
        names = ", ".join(sorted({shard.name for shard in shards}))
        raise ValueError(
            f"TFRecord files must be named train-SSSSS-of-NNNNN, maybe with words before, and "
            f"{', '.join(TEST_NAMES)} likewise. Received: {path} with {names}"
        )
    indices = {part: index_records(files, KEYS) for part, files in splits.items()}
    train = indices[TRAIN]
    first = _first_label(path, train)
    parts = {part: _split(index, first) for part, index in indices.items()}
    held_out = len(parts) == 1
    kept, test = hold_out(parts[TRAIN]) if held_out else (parts[TRAIN], *(parts[p] for p in parts if p != TRAIN))
    return Source(
        name=str(path),
        class_names=_class_names(train, first),
        train=kept,
        test=test,
        flip_keeps_label=True,
        held_out=held_out,
    )


def _by_split(path: Path, shards: list[Shard]) -> dict[str, list[str]]:
    """The files of the training split and of the first test split there is, all shards of each."""
    there = {shard.part for shard in shards}
    tests = [name for name in TEST_NAMES if name in there]
    wanted = [name for name in (TRAIN, *tests[:1]) if name in there]
    return {part: _whole(path, part, [shard for shard in shards if shard.part == part]) for part in wanted}


def _whole(path: Path, part: str, shards: list[Shard]) -> list[str]:
    sets = sorted({(shard.name, shard.count) for shard in shards})
    if len(sets) > 1:
        listed = ", ".join(f"{name}-*-of-{count}" for name, count in sets)
        raise ValueError(f"a folder must hold the TFRecord files of one {part} split. Received: {path} with {listed}")
    ((name, count),) = sets
    numbers = {int(shard.shard): str(shard.path) for shard in shards}
    digits = len(shards[0].shard)
    missing = [f"{name}-{number:0{digits}}-of-{count}" for number in range(int(count)) if number not in numbers]
    if missing or len(numbers) != len(shards) or max(numbers) >= int(count):
        listed = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise ValueError(
            f"{path} must hold all {int(count)} files of {name}, each once. "
            f"Received: {len(shards)}" + (f", without {len(missing)}: {listed}" if missing else "")
        )
    return [numbers[number] for number in sorted(numbers)]


def _first_label(path: Path, train: RecordIndex) -> int:
    if not len(train):
        raise ValueError(f"a source needs images. Received: {path}, whose train files are empty")
    first = int(train.labels.min())
    if first not in (0, 1):
        raise ValueError(f"labels must begin at 0 or, as the model garden's do, at 1. Received: {first} in {path}")
    logger.info("labels of %s begin at %d, which is class 0", path, first)
    return first


def _split(index: RecordIndex, first: int) -> Split:
    return from_files(index.labels - first, index.names(), index.encoded(), files=index.files, fingerprint=index.length)


def _class_names(train: RecordIndex, first: int) -> tuple[str, ...]:
    return tuple(train.words.get(label, str(label)) for label in np.arange(first, train.labels.max() + 1).tolist())
