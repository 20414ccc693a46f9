"""Images that are already in memory."""

import numpy as np
import tensorflow as tf

from kres.training.data.source import Source, Split


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
    return Split(
        labels=labels.astype(np.int32),
        names=[f"{prefix}/{i}" for i in range(len(images))],
        read=lambda index: tf.gather(stored, index),
    )
