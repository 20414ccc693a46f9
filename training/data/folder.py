"""A folder of images: one subfolder a class, or such folders under train/ and val/ (or test/)."""

from pathlib import Path

import numpy as np

from kres.training.data.source import TEST_NAMES, Source, Split, hold_out, image_files

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif"})


def folder(path: Path) -> Source:
    """The images under `path`; without splits of its own, a fifth (stratified, by a hash of the names) is held out.

    Raises ValueError when there is no image, only one class, or a test class that the train folder does not have.
    """
    tests = [path / name for name in TEST_NAMES if (path / name).is_dir()]
    if (path / "train").is_dir() and tests:
        class_names = _class_names(path / "train")
        strangers = sorted(set(_class_names(tests[0])) - set(class_names))
        if strangers:
            raise ValueError(
                f"every class of {tests[0]} must be a class of {path / 'train'}. Received: {', '.join(strangers)}"
            )
        train, test = (_split(part, class_names) for part in (path / "train", tests[0]))
        held_out = False
    else:
        class_names = _class_names(path)
        train, test = hold_out(_split(path, class_names))
        held_out = True
    return Source(
        name=str(path), class_names=class_names, train=train, test=test, flip_keeps_label=True, held_out=held_out
    )


def _class_names(path: Path) -> tuple[str, ...]:
    names = tuple(sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith(".") and _images(p)))
    if len(names) < 2:
        raise ValueError(
            f"an image folder needs one subfolder a class, at least two with images in them ({_suffixes()}). "
            f"Received: {path} with {len(names)} such subfolder(s)"
        )
    return names


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))


def _images(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def _split(path: Path, class_names: tuple[str, ...]) -> Split:
    found = [(file, label) for label, name in enumerate(class_names) for file in _images(path / name)]
    labels = np.array([label for _, label in found], np.int32)
    names = [str(file.relative_to(path)) for file, _ in found]
    return image_files([str(file) for file, _ in found], labels, names)
