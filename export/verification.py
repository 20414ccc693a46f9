"""Runs an artifact and its Keras model on the same images and judges the difference by the format's tolerance."""

import math
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kres.export import conversion
from kres.export.comparison import judge
from kres.export.reports import Reference, Report
from kres.export.formats import FORMATS, Tolerance
from kres.export.images import Images, collect
from kres.export.inspection import artifact_format, size
from kres.export.runner import open_saved_model
from kres.export.session import ArtifactError, opened

CHUNK = 64
# An eager call of a functional model keeps every layer's output until it ends: of a net of 400 blocks, 0.2 GB an image.
EAGER_BYTES = 1_000_000_000
# One image more or less must not be all that a top-1 is made of.
FEWEST_FOR_TOP1 = 32

Shapes = tuple[tuple[int, ...], list[tuple[int, ...]]]
"""Of the input and of each output, without the batch."""


def verify(
    model: keras.Model,
    path: str | Path,
    images: Images,
    labels: np.ndarray | None = None,
    *,
    image_size: int | None = None,
) -> Report:
    """Run the artifact at `path` against `model` on normalised images (n, h, w, c), and judge it by its format.

    `images` is an array, an iterable or a tf.data dataset, of images or of (images, labels). A TFLite or ONNX file runs
    in a process of its own, a SavedModel through its serving signature. A model of mixed precision stands in as its
    float32 twin, and one of any image size at `image_size`. Raises ArtifactError when the file cannot be run or belongs
    to a model of other shapes, ValueError for images that the model cannot take, and for fewer than 32 images where the
    format is judged by top-1.
    """
    return check(reference(conversion.sized(model, image_size), images, labels), path)


def reference(
    model: keras.Model, images: Images, labels: np.ndarray | None = None, *, limit: int | None = None
) -> Reference:
    """Run the Keras model in float32 on at most `limit` images, once for any number of artifacts."""
    conversion.check_model(model)
    model = conversion.float32_twin(model)
    inputs, own_labels = collect(images, tuple(model.inputs[0].shape[1:]), limit=limit)
    labels = own_labels if labels is None else np.asarray(labels)[: len(inputs)]
    chunk = _eager_chunk(model)
    outputs: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(inputs), chunk):
        answers = conversion.named_outputs(model(inputs[start : start + chunk], training=False))
        for name, answer in answers.items():
            outputs.setdefault(name, []).append(keras.ops.convert_to_numpy(answer))
    first, *others = (np.concatenate(blocks).astype(np.float32) for blocks in outputs.values())
    result = Reference(images=inputs, labels=labels, outputs=first, others=tuple(others))
    if labels is not None:
        _check_labels(labels, result.outputs)
    if not all(np.isfinite(output).all() for output in (first, *others)):
        raise ValueError("the Keras model itself answers NaN or infinity: there is nothing to compare with")
    return result


def _eager_chunk(model: keras.Model) -> int:
    """Give the number of images whose activations fit in EAGER_BYTES, at most CHUNK."""
    shapes = (output.shape[1:] for layer in model.layers for output in keras.tree.flatten(layer.output))
    return max(1, min(CHUNK, EAGER_BYTES // max(1, sum(4 * math.prod(shape) for shape in shapes))))


def _check_labels(labels: np.ndarray, outputs: np.ndarray) -> None:
    if labels.shape != outputs.shape[:1]:
        raise ValueError(f"labels must be class indices (n,), one an image. Received: {labels.shape}")
    if outputs.ndim == 2 and not (labels.min() >= 0 and labels.max() < outputs.shape[1]):
        received = f"{labels.min()} to {labels.max()}"
        raise ValueError(f"labels must lie between 0 and {outputs.shape[1] - 1}. Received: {received}")


def check(reference: Reference, path: str | Path) -> Report:
    """Run the artifact at `path` on the reference's images and judge it."""
    name = artifact_format(path)
    require_judgeable(name, reference)
    outputs, *others = run_all(path, reference, name)
    tolerance = FORMATS[name].tolerance
    return judge(reference, outputs, tolerance, path=path, name=name, others=tuple(others))


def require_judgeable(name: str, reference: Reference) -> None:
    """Raise ValueError where a format is judged by top-1, and the reference has too few images for it."""
    has_classes = reference.outputs.ndim == 2 and not reference.others
    if FORMATS[name].tolerance.drop is not None and has_classes and len(reference.images) < FEWEST_FOR_TOP1:
        raise ValueError(
            f"{name} is judged by top-1, which takes at least {FEWEST_FOR_TOP1} held-out images. "
            f"Received: {len(reference.images)}"
        )


def check_or_report(reference: Reference, path: str | Path, name: str | None = None) -> Report:
    """Check an artifact; one that cannot be run gets a report that says why, instead of an error."""
    try:
        return check(reference, path)
    except ArtifactError as error:
        # A name that is not known is not known from the file's ending either.
        row = FORMATS[name].tolerance if name else Tolerance()
        return Report(
            path=str(path),
            format=name or "unreadable",
            n=len(reference.images),
            passed=False,
            reason=str(error),
            tolerance=row,
            size_bytes=size(path) if Path(path).exists() else 0,
        )


def run(path: str | Path, reference: Reference, name: str) -> np.ndarray:
    """Give the only (or first) output (n, ...) of `run_all`."""
    return run_all(path, reference, name)[0]


def run_all(path: str | Path, reference: Reference, name: str) -> list[np.ndarray]:
    """Give each output (n, ...) on the reference's images; raises ArtifactError for an artifact of other shapes."""
    outputs = (reference.outputs, *reference.others)
    expected = (reference.images.shape[1:], [output.shape[1:] for output in outputs])
    if name == "saved_model":
        return _run_saved_model(path, reference.images, expected)
    with opened(path, threads=os.cpu_count() or 1) as session:
        _check_shapes(session.input, session.outputs, expected, path)
        answers = [session.answers(image) for image in reference.images]
    return [np.stack(blocks) for blocks in zip(*answers, strict=True)]


def _run_saved_model(path: str | Path, images: np.ndarray, expected: Shapes) -> list[np.ndarray]:
    try:
        answer, description = open_saved_model(str(path))
    # TensorFlow has no error of its own for a damaged SavedModel: it depends on which bytes are hit.
    except Exception as error:
        raise ArtifactError(f"a SavedModel that cannot be loaded: {error}. Received: {path}") from error
    _check_shapes(description["input"], description["outputs"], expected, path)
    batch = description["input"]["shape"][0]
    chunk = CHUNK if batch < 0 else batch
    missing = 0 if batch < 0 else -len(images) % batch
    padded = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
    answers = [answer(padded[start : start + chunk]) for start in range(0, len(padded), chunk)]
    return [np.concatenate(blocks)[: len(images)] for blocks in zip(*answers, strict=True)]


def _check_shapes(source: dict[str, Any], targets: list[dict[str, Any]], expected: Shapes, path: str | Path) -> None:
    received = (tuple(source["shape"][1:]), [tuple(target["shape"][1:]) for target in targets])
    if received != expected:
        raise ArtifactError(
            f"this artifact belongs to another model: {_arrow(received)} where the Keras model has {_arrow(expected)}. "
            f"Received: {path}"
        )


def _arrow(shapes: Shapes) -> str:
    return f"{shapes[0]} -> {', '.join(map(str, shapes[1]))}"
