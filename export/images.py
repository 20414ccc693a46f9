"""Images and labels from an array, an iterable or a tf.data dataset, in the form that a model takes them."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from kres.preprocessing import Preprocess

WAYS = {
    (1, 3): "repeat the grey one, as np.repeat(images, 3, axis=-1) does",
    (3, 1): "make them grey, as keras.ops.image.rgb_to_grayscale(images) does",
}
"""What to do about images of so many channels for a model that takes so many."""
OTHER_WAY = "build the model with an input_shape of theirs"

Images = np.ndarray | Iterable[Any]


def collect(
    images: Images, shape: tuple[int, ...], *, limit: int | None = None, preprocess: Preprocess | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Gather at most `limit` images as float32 (n, h, w, c), in their order, and int labels (n,) where they come along.

    `images` is an array (n, h, w, c), or an iterable or dataset of images (h, w, c), of batches (b, h, w, c), or of
    pairs of those and labels: class indices, or one score a class. They are normalised, as the model takes them, or
    where `preprocess` is known uint8 grey levels, which it then normalises. Raises ValueError for other shapes than
    `shape` (h, w, c), other integers, values that are not finite, or no image.
    """
    blocks, labels, count = [], [], 0
    for block, block_labels in _blocks(images):
        if block.ndim == len(shape):
            block = block[None]
            block_labels = None if block_labels is None else block_labels[None]
        _check_shape(block, shape)
        if block.dtype == np.uint8 and preprocess is not None:
            block = keras.ops.convert_to_numpy(preprocess(block))
        _check_values(block)
        room = len(block) if limit is None else min(limit - count, len(block))
        blocks.append(block[:room].astype(np.float32))
        if block_labels is not None:
            labels.append(_indices(block_labels[:room]))
        count += room
        if count == limit:
            break
    if not count:
        raise ValueError("at least one image is needed. Received: none")
    if labels and sum(map(len, labels)) != count:
        raise ValueError("every image needs one label, or none has one")
    return np.concatenate(blocks), np.concatenate(labels) if labels else None


def _blocks(images: Images) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    if isinstance(images, np.ndarray):
        yield images, None
        return
    for element in images:
        if isinstance(element, tuple | list):
            yield np.asarray(element[0]), np.asarray(element[1])
        else:
            yield np.asarray(element), None


def _check_shape(block: np.ndarray, shape: tuple[int, ...]) -> None:
    if block.shape[1:] == shape:
        return
    words = ""
    if block.ndim == len(shape) + 1 and block.shape[1:-1] == shape[:-1]:
        have, takes = block.shape[-1], shape[-1]
        words = f" They have {have} channels and the model takes {takes}: {WAYS.get((have, takes), OTHER_WAY)}."
    raise ValueError(f"images must have the shape (n, {', '.join(map(str, shape))}).{words} Received: {block.shape}")


def _check_values(block: np.ndarray) -> None:
    if block.dtype.kind != "f":
        raise ValueError(f"images must be normalised floats, as model.preprocess gives them. Received: {block.dtype}")
    if not np.isfinite(block).all():
        raise ValueError("images must be finite. Received: NaN or infinite values")


def _indices(labels: np.ndarray) -> np.ndarray:
    return labels.argmax(-1) if labels.ndim == 2 else labels.astype(np.int64)
