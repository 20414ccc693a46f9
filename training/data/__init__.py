"""Sources of labelled images, and the pipelines that feed training, evaluation and calibration from them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kres.training.data.arrays import arrays, from_pairs, is_pairs, npz
from kres.training.data.corrupt import check_policy, checked
from kres.training.data.folder import folder
from kres.training.data.pipeline import evaluation_images, sample_images, training_batches
from kres.training.data.shards import from_shards, shards_in
from kres.training.data.source import Source, Split
from kres.training.data.table import csv_table

__all__ = ["Source", "Split", "arrays", "counts", "evaluation_images", "load", "sample_images", "training_batches"]

Pairs = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
PUBLISHED_COUNTS: dict[str, tuple[int, int]] = {
    "imagenet2012": (1_281_167, 1_000),
    "cifar10": (50_000, 10),
    "cifar100": (50_000, 100),
    "oxford_flowers102": (1_020, 102),
}
"""Training images and classes of sets that recipes are for, as their publishers give them."""
FILES: dict[str, Callable[[Path], Source]] = {".csv": csv_table, ".npz": npz}


def load(data: str | Path | Source | Pairs, *, on_corrupt: str = "fail") -> Source:
    """The source that `data` names or is.

    - "digits", which kres brings along;
    - a folder with a subfolder a class, or such folders under train/ and test/ (or val/, valid/, ...);
    - a folder of TFRecord files, `train-00000-of-01024` and so on, as the TensorFlow model garden lays out ImageNet;
    - a .csv file of paths and labels, or an .npz file with `x_train`, `y_train`, `x_test`, `y_test`;
    - a directory that TFDS prepared, or the name of a TFDS set, maybe with its version ("cifar10:3.0.2");
    - ((images, labels), (images, labels)) as keras.datasets gives, or a Source as it is.

    Every image of files is decoded once, unless that was done before and the files are as they were then (what was
    found is kept in `$XDG_CACHE_HOME/kres/data`, `~/.cache/kres/data` by default). `on_corrupt` says what is done about
    those that do not decode: "fail" or "skip". With "unchecked" none is decoded here: a run that meets a corrupt one
    ends there, and names it.

    Raises ValueError when there is no such source, when it is empty, when a label is out of range, and (where
    `on_corrupt` is "fail") when an image cannot be decoded; OSError when a TFDS set cannot be downloaded.
    """
    check_policy(on_corrupt)
    if isinstance(data, Source):
        return data
    if isinstance(data, tuple):
        if not is_pairs(data):
            raise ValueError(
                "arrays come as ((images, labels), (images, labels)), to train and to test. "
                f"Received: a tuple of {len(data)}"
            )
        return from_pairs(*data)
    if data == "digits":
        from kres.training.data.digits import digits

        return digits()
    return checked(_open(data), on_corrupt=on_corrupt)


def counts(data: str) -> tuple[int, int]:
    """Numbers of training images and of classes of what `data` names, with no image decoded and nothing downloaded.

    Of a set in PUBLISHED_COUNTS as its publisher gives them. ValueError when there is no such source, or a TFDS set is
    not there.
    """
    if data in PUBLISHED_COUNTS and not Path(data).exists():
        return PUBLISHED_COUNTS[data]
    source = load(data) if data == "digits" else _open(data, download=False)
    return len(source.train), source.classes


def _open(data: str | Path, *, download: bool = True) -> Source:
    path = Path(data).expanduser()
    if path.is_dir():
        return _open_directory(path)
    if path.suffix.lower() in FILES and path.is_file():
        return FILES[path.suffix.lower()](path)
    if isinstance(data, Path) or path.exists() or path.suffix.lower() in FILES or _looks_like_a_path(data):
        raise ValueError(
            f"a data source that is a path must be a directory or a file ending in {' or '.join(FILES)}. "
            f"Received: data={str(data)!r}" + ("" if path.exists() else ", which is not there")
        )
    from kres.training.data.tfds import from_name

    return from_name(data, download=download)


def _open_directory(path: Path) -> Source:
    prepared = _prepared(path)
    if prepared is not None:
        # tensorflow_datasets takes seconds to import, so only the sources that need it do.
        from kres.training.data.tfds import from_directory

        return from_directory(prepared)
    shards = shards_in(path)
    return from_shards(path, shards) if shards else folder(path)


def _looks_like_a_path(data: str) -> bool:
    return "\\" in data or data.startswith((".", "/", "~"))


def _prepared(path: Path) -> Path | None:
    """`path`, or the newest version below it, where TFDS prepared a data set; ValueError when one lies deeper."""
    found = [file.parent for file in (*path.glob("dataset_info.json"), *path.glob("*/dataset_info.json"))]
    if not found and any(path.glob("*/*/dataset_info.json")):
        raise ValueError(
            "a TFDS directory holds dataset_info.json, itself or in its version folders. "
            f"Received: data={str(path)!r}, where it lies deeper"
        )
    return max(found, key=_version, default=None)


def _version(path: Path) -> tuple[int, ...]:
    parts = path.name.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
