"""Runs an artifact and its Keras model on the same images and judges the difference by the format's tolerance."""

import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from kres.export import conversion
from kres.export.comparison import Answers, Reference, Report, judge, judge_all
from kres.export.compatibility import DEFAULT, Platforms, lacking
from kres.export.formats import FORMATS, Tolerance
from kres.export.images import Images, collect
from kres.export.inspection import artifact_format, size
from kres.export.runner import open_saved_model
from kres.export.runtimes import CURRENT, Runtime
from kres.export.session import ArtifactError, opened

CHUNK = 64
# An eager call of a functional model keeps every layer's output until it ends: of a net of 400 blocks, 0.2 GB an image.
EAGER_BYTES = 1_000_000_000
# One image more or less must not be all that a top-1 is made of.
FEWEST_FOR_TOP1 = 32


def verify(
    model: keras.Model,
    path: str | Path,
    images: Images,
    labels: np.ndarray | None = None,
    *,
    runtimes: Sequence[Runtime] = (CURRENT,),
    target_runtime: str | None = None,
) -> Report:
    """Run the artifact at `path` against `model` on normalised images (n, h, w, c), and judge it by its format.

    `images` is an array, an iterable or a tf.data dataset, of images or of (images, labels). A TFLite file runs in a
    process of its own in each of `runtimes` (`installed_runtimes()` gives all), a SavedModel through its serving
    signature. A file with operators that `target_runtime`, "2.14", does not have fails. A model of mixed precision
    stands in as its float32 twin. Raises ArtifactError when the file runs nowhere or belongs to a model of other
    shapes, ValueError for images that the model cannot take, for fewer than 32 images where the format is judged by
    top-1, and for a target runtime that is not known.
    """
    platforms = Platforms(runtimes=runtimes, target=target_runtime)
    return check(reference(model, images, labels), path, platforms)


def reference(
    model: keras.Model, images: Images, labels: np.ndarray | None = None, *, limit: int | None = None
) -> Reference:
    """Run the Keras model in float32 on at most `limit` images, once for any number of artifacts."""
    conversion.check_model(model)
    model = conversion.float32_twin(model)
    inputs, own_labels = collect(images, tuple(model.inputs[0].shape[1:]), limit=limit)
    labels = own_labels if labels is None else np.asarray(labels)[: len(inputs)]
    chunk = _eager_chunk(model)
    outputs = [
        keras.ops.convert_to_numpy(model(inputs[start : start + chunk], training=False))
        for start in range(0, len(inputs), chunk)
    ]
    result = Reference(images=inputs, labels=labels, outputs=np.concatenate(outputs).astype(np.float32))
    if labels is not None:
        _check_labels(labels, result.outputs)
    if not np.isfinite(result.outputs).all():
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


def check(reference: Reference, path: str | Path, platforms: Platforms) -> Report:
    """Run the artifact at `path` on the reference's images, a TFLite file in each runtime, and judge it."""
    name = artifact_format(path)
    require_judgeable(name, reference)
    tolerance = FORMATS[name].tolerance
    if name == "saved_model":
        return judge(reference, run(path, reference, name), tolerance, path=path, name=name)
    report = judge_all(reference, _answers(path, reference, platforms.runtimes), tolerance, path=path, name=name)
    if platforms.target is not None and (lack := lacking(path, platforms.target)):
        reason = "; ".join(filter(None, (lack, report.reason)))
        return dataclasses.replace(report, passed=False, reason=reason)
    return report


def _answers(path: str | Path, reference: Reference, runtimes: Sequence[Runtime]) -> list[Answers]:
    """Run a TFLite file in each runtime; raises the first ArtifactError where none of them runs it."""
    found, errors = [], []
    for runtime in runtimes:
        try:
            outputs, label = run_tflite(path, reference, runtime)
            found.append(Answers(runtime=label, outputs=outputs))
        except ArtifactError as error:
            errors.append(error)
            found.append(Answers(runtime=runtime.name, error=str(error)))
    if len(errors) == len(found):
        raise errors[0]
    return found


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


def check_or_report(
    reference: Reference, path: str | Path, name: str | None = None, *, platforms: Platforms = DEFAULT
) -> Report:
    """Check an artifact; one that cannot be run gets a report that says why, instead of an error."""
    try:
        return check(reference, path, platforms)
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
    """Give the artifact's outputs (n, ...) on the reference's images; raises ArtifactError for one of other shapes."""
    if name != "saved_model":
        return run_tflite(path, reference, CURRENT)[0]
    try:
        answer, description = open_saved_model(str(path))
    # TensorFlow has no error of its own for a damaged SavedModel: it depends on which bytes are hit.
    except Exception as error:
        raise ArtifactError(f"a SavedModel that cannot be loaded: {error}. Received: {path}") from error
    _check_shapes(description["input"]["shape"], description["output"]["shape"], reference, path)
    chunks = range(0, len(reference.images), CHUNK)
    return np.concatenate([answer(reference.images[start : start + CHUNK]) for start in chunks])


def run_tflite(path: str | Path, reference: Reference, runtime: Runtime) -> tuple[np.ndarray, str]:
    """Give a TFLite file's outputs (n, ...) in a runtime, and the runtime's name with its version and processor."""
    # TensorFlow's own variable, for one who runs several things side by side.
    threads = int(os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1)
    with opened(path, threads=threads, runtime=runtime.package, python=runtime.python) as session:
        _check_shapes(session.input["shape"], session.output["shape"], reference, path)
        outputs = np.stack([session.answer(image) for image in reference.images])
        return outputs, f"{runtime.name} {session.version}, {session.machine}"


def _check_shapes(source: list[int], target: list[int], reference: Reference, path: str | Path) -> None:
    expected = (reference.images.shape[1:], reference.outputs.shape[1:])
    received = (tuple(source[1:]), tuple(target[1:]))
    if received != expected:
        raise ArtifactError(
            f"this artifact belongs to another model: {received[0]} -> {received[1]} where the Keras model has "
            f"{expected[0]} -> {expected[1]}. Received: {path}"
        )
