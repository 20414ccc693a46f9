"""A folder of images: one subfolder a class, or such folders under train/ and test/ (or val/, valid/, ...)."""

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kres.training.data.source import TEST_NAMES, Source, Split, either, hold_out, image_files

logger = logging.getLogger(__name__)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif"})
OTHER_SUFFIXES = frozenset(
    ".avif .dib .heic .heif .j2k .jfif .jp2 .jpe .jxl .pbm .pgm .pnm .ppm .tga .tif .tiff .webp".split()
)
"""Of image files that are not read. (TensorFlow 2.21 reads WebP, but neither with alpha nor animations.)"""
TRAIN_NAMES = ("train", "training")


@dataclass(frozen=True, kw_only=True)
class Classes:
    """What lies in a folder with a subfolder a class."""

    path: Path
    images: dict[str, list[Path]]
    """The images of each class, of which there are some."""
    other_formats: Counter[str]
    """Image files that are not read, by their suffix."""
    lost: list[str]
    """Subfolders all of whose images are such."""


def folder(path: Path) -> Source:
    """The images under `path`; without a test split of its own, a fifth (stratified, by a hash of names) is held out.

    Folders of splits are known by their names, in upper or lower case. Image files of formats that are not read are
    counted in a warning.

    Raises ValueError when there is no image, only one class, a test class that the train folder does not have, or one
    folder with the name of a split beside others that have none.
    """
    train_path, test_path = _split_folders(path)
    parts = [_classes(part) for part in (train_path, test_path) if part is not None]
    class_names = tuple(parts[0].images)
    strangers = sorted(parts[-1].images.keys() - {*class_names})
    if strangers:
        raise ValueError(
            f"every class of {test_path} must be a class of {train_path}. Received: {', '.join(strangers)}"
        )
    for part in parts:
        _warn(part)
    splits = [_split(part, class_names) for part in parts]
    train, test = splits if len(splits) == 2 else hold_out(splits[0])
    return Source(
        name=str(path),
        class_names=class_names,
        train=train,
        test=test,
        flip_keeps_label=True,
        held_out=test_path is None,
        other_formats=dict(sum((part.other_formats for part in parts), Counter()).most_common()),
    )


def _split_folders(path: Path) -> tuple[Path, Path | None]:
    """The folder of classes to train on, which may be `path`, and that of the first test split there is."""
    folders = _subfolders(path)
    train, test = _first(folders, TRAIN_NAMES), _first(folders, TEST_NAMES)
    if train and test:
        return train, test
    # A class may be called "train", too: its images lie in it, and those of a split in folders of its own.
    alone = next((split for split in (train, test) if split and _subfolders(split)), None)
    if alone is None:
        for split in filter(None, (train, test)):
            logger.warning("%s holds no folder, so it is no split, but the class %r.", split, split.name)
        return path, None
    others = [folder for folder in folders if folder != alone and any(map(_is_image, folder.rglob("*")))]
    if alone == train and not others:
        return train, None
    raise ValueError(
        f"a folder with splits must hold {either(TRAIN_NAMES)}, and to test {either(TEST_NAMES)}; without any other "
        f"folder, a fifth of {TRAIN_NAMES[0]} is held out. "
        f"Received: {path} with {', '.join(sorted(folder.name for folder in (alone, *others)))}"
    )


def _first(folders: list[Path], names: tuple[str, ...]) -> Path | None:
    """The folder that bears the first of `names` that one bears; ValueError when two bear it, in other cases."""
    for name in names:
        found = [folder for folder in folders if folder.name.lower() == name]
        if len(found) > 1:
            raise ValueError(f"a split must have one folder. Received: {' and '.join(map(str, found))}")
        if found:
            return found[0]
    return None


def _subfolders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES | OTHER_SUFFIXES and path.is_file()


def _classes(path: Path) -> Classes:
    images: dict[str, list[Path]] = {}
    others: Counter[str] = Counter()
    lost = []
    for subfolder in _subfolders(path):
        files = sorted(filter(_is_image, subfolder.rglob("*")))
        read = [file for file in files if file.suffix.lower() in SUFFIXES]
        others.update(file.suffix.lower() for file in files if file.suffix.lower() not in SUFFIXES)
        if read:
            images[subfolder.name] = read
        elif files:
            lost.append(subfolder.name)
    if len(images) < 2:
        found = f", and {_listed(others)} files" if others else ""
        raise ValueError(
            f"an image folder needs one subfolder a class, at least two with images in them "
            f"({', '.join(sorted(SUFFIXES))}). Received: {path} with {len(images)} such subfolder(s){found}"
        )
    return Classes(path=path, images=images, other_formats=others, lost=lost)


def _warn(part: Classes) -> None:
    if part.other_formats:
        logger.warning(
            "%d image files under %s are left out, because their format is not read: %s.%s Read are %s.",
            part.other_formats.total(),
            part.path,
            _listed(part.other_formats),
            f" No image is left of {', '.join(part.lost)}." if part.lost else "",
            ", ".join(sorted(SUFFIXES)),
        )


def _listed(formats: Counter[str]) -> str:
    return ", ".join(f"{count:,} {suffix}" for suffix, count in formats.most_common())


def _split(part: Classes, class_names: tuple[str, ...]) -> Split:
    found = [(file, label) for label, name in enumerate(class_names) for file in part.images.get(name, ())]
    labels = np.array([label for _, label in found], np.int32)
    names = [str(file.relative_to(part.path)) for file, _ in found]
    return image_files([str(file) for file, _ in found], labels, names)
