"""Images in memory: arrays, pairs of them as keras.datasets gives, and .npz files as it keeps."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kres.training.data.source import Source, Split, hold_out, image_digest

Pair = tuple[np.ndarray, np.ndarray]
KEYS = ("x_train", "y_train", "x_test", "y_test")


def npz(path: Path) -> Source:
    """A .npz file with `x_train`, `y_train` and maybe `x_test`, `y_test`, else a fifth (stratified) is held out.

    Images are (n, h, w, 3) uint8; grey ones (n, h, w) or (n, h, w, 1) get three equal channels. Labels are (n,) or
    (n, 1) integers from 0. Raises ValueError for anything else, and for arrays of Python objects, which could run code.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found = {key: stored[key] for key in stored.files if key in KEYS}
            others = sorted({*stored.files} - {*KEYS})
    except (ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"an .npz file of plain arrays is needed. Received: {path} ({error})") from error
    if not found.keys() >= set(KEYS[:2]) or ("x_test" in found) != ("y_test" in found):
        names = ", ".join([*found, *others]) or "nothing"
        raise ValueError(
            f"an .npz file must hold x_train and y_train, and x_test and y_test or neither. "
            f"Received: {path} with {names}"
        )
    test = (found["x_test"], found["y_test"]) if "x_test" in found else None
    # Where the file lies is no part of the images' names: by another path they are the same, and so is their division.
    return replace(from_pairs((found["x_train"], found["y_train"]), test, name=path.name), name=str(path))


def from_pairs(train: Pair, test: Pair | None = None, *, name: str = "arrays") -> Source:
    """`arrays` with what `npz` accepts: grey images, columns of labels, no test pair; classes are named 0, 1, ..."""
    pairs = {
        part: _as_images(*pair, of=f"{part} of {name}") for part, pair in (("train", train), ("test", test)) if pair
    }
    highest = max((int(labels.max()) for _, labels in pairs.values() if len(labels)), default=0)
    class_names = tuple(str(label) for label in range(highest + 1))
    if test is not None:
        return arrays(pairs["train"], pairs["test"], class_names=class_names, name=name)
    kept, held_out = hold_out(_split(*pairs["train"], prefix=f"{name}/train"))
    return Source(name=name, class_names=class_names, train=kept, test=held_out, flip_keeps_label=True, held_out=True)


def is_pairs(data: Any) -> bool:
    """Whether `data` is ((images, labels), (images, labels)), as the functions of keras.datasets return."""
    return isinstance(data, tuple) and len(data) == 2 and all(isinstance(p, tuple) and len(p) == 2 for p in data)


def _as_images(images: np.ndarray, labels: np.ndarray, *, of: str) -> Pair:
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype.kind == "f":
        raise ValueError(
            "images must be uint8 of 0..255: multiply floats of 0..1 by 255, then np.rint(...).astype('uint8'). "
            f"Received: {images.shape} {images.dtype} for {of}"
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be (n,) integers, one an image. Received: {labels.shape} {labels.dtype} for {of}"
        )
    return (np.repeat(images, 3, axis=-1) if images.ndim == 4 and images.shape[-1] == 1 else images), labels


def arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    class_names: tuple[str, ...],
    flip_keeps_label: bool = True,
    name: str = "arrays",
) -> Source:
    """A source of two pairs of images (n, h, w, 3) uint8 and labels (n,) int; ValueError for other shapes or types."""
    return Source(
        name=name,
        class_names=tuple(class_names),
        train=_split(*train, prefix=f"{name}/train"),
        test=_split(*test, prefix=f"{name}/test"),
        flip_keeps_label=flip_keeps_label,
    )


def _split(images: np.ndarray, labels: np.ndarray, *, prefix: str) -> Split:
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"images must be (n, h, w, 3) uint8. Received: {images.shape} {images.dtype} for {prefix}")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels must be ({len(images)},), one an image. Received: {labels.shape} for {prefix}")
    stored = tf.constant(images)
    pixels = np.asarray(stored)  # the same memory, where it is the CPU's
    return Split(
        labels=labels.astype(np.int32),
        names=[f"{prefix}/{i}" for i in range(len(images))],
        read=lambda index: tf.gather(stored, index),
        fingerprint=lambda index: image_digest(pixels[index]),
    )
