"""Runs an artifact and its Keras model on the same images and judges the difference by the format's tolerance."""

import os
from pathlib import Path

import keras
import numpy as np

from kres.export import conversion
from kres.export.comparison import Reference, Report, judge
from kres.export.formats import FORMATS, Tolerance
from kres.export.images import Images, collect
from kres.export.inspection import artifact_format, size
from kres.export.runner import open_saved_model
from kres.export.session import ArtifactError, opened
from kres.export.walking import chunks

CHUNK = 64
# One image more or less must not be all that a top-1 is made of.
FEWEST_FOR_TOP1 = 32


def verify(model: keras.Model, path: str | Path, images: Images, labels: np.ndarray | None = None) -> Report:
    """Run the artifact at `path` against `model` on normalised images (n, h, w, c), and judge it by its format.

    `images` is an array, an iterable or a tf.data dataset, of images or of (images, labels). A TFLite file runs in a
    process of its own, a SavedModel through its serving signature. A model of mixed precision stands in as its float32
    twin. Raises ArtifactError when the file cannot be run or belongs to a model of other shapes, ValueError for images
    that the model cannot take, and for fewer than 32 images where the format is judged by top-1.
    """
    return check(reference(model, images, labels), path)


def reference(
    model: keras.Model, images: Images, labels: np.ndarray | None = None, *, limit: int | None = None
) -> Reference:
    """Run the Keras model in float32 on at most `limit` images, once for any number of artifacts."""
    conversion.check_model(model)
    model = conversion.float32_twin(model)
    inputs, own_labels = collect(images, tuple(model.inputs[0].shape[1:]), limit=limit)
    labels = own_labels if labels is None else np.asarray(labels)[: len(inputs)]
    # An eager call of a functional model keeps every layer's output until it ends.
    outputs = [keras.ops.convert_to_numpy(model(block, training=False)) for block in chunks(model, inputs)]
    result = Reference(images=inputs, labels=labels, outputs=np.concatenate(outputs).astype(np.float32))
    if labels is not None:
        _check_labels(labels, result.outputs)
    if not np.isfinite(result.outputs).all():
        raise ValueError("the Keras model itself answers NaN or infinity: there is nothing to compare with")
    return result


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
    return judge(reference, run(path, reference, name), FORMATS[name].tolerance, path=path, name=name)


def require_judgeable(name: str, reference: Reference) -> None:
    """Raise ValueError where a format is judged by top-1, and the reference has no classes or too few images for it."""
    if FORMATS[name].tolerance.drop is None:
        return
    if reference.outputs.ndim != 2:
        raise ValueError(
            f"{name} is judged by top-1, so outputs must be (n, classes). Received: {reference.outputs.shape}"
        )
    if len(reference.images) < FEWEST_FOR_TOP1:
        raise ValueError(
            f"{name} is judged by top-1, which takes at least {FEWEST_FOR_TOP1} held-out images. "
            f"Received: {len(reference.images)}"
        )


def check_or_report(reference: Reference, path: str | Path, name: str | None = None) -> Report:
    """Check an artifact; one that cannot be run gets a report that says why, instead of an error."""
    try:
        return check(reference, path)
    except ArtifactError as error:
        return unmeasured(reference, path, name, reason=str(error))


def unmeasured(reference: Reference, path: str | Path, name: str | None, *, reason: str) -> Report:
    """Report an artifact that there is nothing to measure of."""
    return Report(
        path=str(path),
        # A name that is not known is not known from the file's ending either.
        format=name or "unreadable",
        n=len(reference.images),
        passed=False,
        reason=reason,
        tolerance=FORMATS[name].tolerance if name else Tolerance(),
        size_bytes=size(path) if Path(path).exists() else 0,
    )


def run(path: str | Path, reference: Reference, name: str) -> np.ndarray:
    """Give the artifact's outputs (n, ...) on the reference's images; raises ArtifactError for one of other shapes."""
    expected = (reference.images.shape[1:], reference.outputs.shape[1:])
    if name == "saved_model":
        try:
            answer, description = open_saved_model(str(path))
        # TensorFlow has no error of its own for a damaged SavedModel: it depends on which bytes are hit.
        except Exception as error:
            raise ArtifactError(f"a SavedModel that cannot be loaded: {error}. Received: {path}") from error
        _check_shapes(description["input"]["shape"], description["output"]["shape"], expected, path)
        chunks = range(0, len(reference.images), CHUNK)
        return np.concatenate([answer(reference.images[start : start + CHUNK]) for start in chunks])
    with opened(path, threads=os.cpu_count() or 1) as session:
        _check_shapes(session.input["shape"], session.output["shape"], expected, path)
        return np.stack([session.answer(image) for image in reference.images])


def _check_shapes(
    source: list[int], target: list[int], expected: tuple[tuple[int, ...], ...], path: str | Path
) -> None:
    received = (tuple(source[1:]), tuple(target[1:]))
    if received != expected:
        raise ArtifactError(
            f"this artifact belongs to another model: {received[0]} -> {received[1]} where the Keras model has "
            f"{expected[0]} -> {expected[1]}. Received: {path}"
        )
