"""Runs an artifact and its Keras model on the same images and judges the difference by the format's tolerance."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kres.export.conversion import models
from kres.export.conversion.converter import named_outputs
from kres.export.conversion.pixels import known, preprocess_of, takes_pixels, to_pixels
from kres.export.files.errors import ArtifactError
from kres.export.files.inspection import artifact_format, size
from kres.export.formats import FORMATS, Tolerance
from kres.export.images import Images, collect
from kres.export.proof.comparison import judge, judge_all
from kres.export.proof.reports import Answers, Reference, Report
from kres.export.runner import open_saved_model
from kres.export.runtimes.compatibility import DEFAULT, Platforms, lacking
from kres.export.runtimes.interpreters import CURRENT, Runtime
from kres.export.runtimes.session import opened
from kres.export.walking import CHUNK, chunks
from kres.preprocessing import Preprocess

# One image more or less must not be all that a top-1 is made of.
FEWEST_FOR_TOP1 = 32

Outputs = tuple[np.ndarray, ...]
Shapes = tuple[tuple[int, ...], list[tuple[int, ...]]]
"""Of the input and of each output, without the batch."""


def verify(
    model: keras.Model,
    path: str | Path,
    images: Images,
    labels: np.ndarray | None = None,
    *,
    image_size: int | None = None,
    preprocess: Preprocess | None = None,
    runtimes: Sequence[Runtime] = (CURRENT,),
    target_runtime: str | None = None,
) -> Report:
    """Run the artifact at `path` against `model` on normalised images (n, h, w, c), and judge it by its format.

    `images` is an array, an iterable or a tf.data dataset, of images or of (images, labels); uint8 grey levels are
    normalised by `preprocess`, which a network of kres knows itself. An artifact that says that it takes raw pixels
    gets those. A TFLite file runs in a process of its own in each of `runtimes` (`installed_runtimes()` gives all), an
    ONNX file in another, a SavedModel through its serving signature. A file with operators that `target_runtime`,
    "2.14", does not have fails. A model of mixed precision stands in as its float32 twin, and one of any image size at
    `image_size`.

    Raises ArtifactError when the file runs nowhere or belongs to a model of other shapes, ValueError for images that
    the model cannot take, for fewer than 32 images where the format is judged by top-1, and for a target runtime that
    is not known.
    """
    platforms = Platforms(runtimes=runtimes, target=target_runtime)
    expected = reference(models.sized(model, image_size), images, labels, preprocess=preprocess)
    return check(expected, path, platforms)


def reference(
    model: keras.Model,
    images: Images,
    labels: np.ndarray | None = None,
    *,
    limit: int | None = None,
    preprocess: Preprocess | None = None,
) -> Reference:
    """Run the Keras model in float32 on at most `limit` images, once for any number of artifacts."""
    models.check_model(model)
    preprocess = preprocess or preprocess_of(model)
    model = models.float32_twin(model)
    inputs, own_labels = collect(images, tuple(model.inputs[0].shape[1:]), limit=limit, preprocess=preprocess)
    labels = own_labels if labels is None else np.asarray(labels)[: len(inputs)]
    outputs: dict[str, list[np.ndarray]] = {}
    # An eager call of a functional model keeps every layer's output until it ends.
    for block in chunks(model, inputs):
        for name, answer in named_outputs(model(block, training=False)).items():
            outputs.setdefault(name, []).append(keras.ops.convert_to_numpy(answer))
    first, *others = (np.concatenate(blocks).astype(np.float32) for blocks in outputs.values())
    result = Reference(images=inputs, labels=labels, outputs=first, others=tuple(others), preprocess=preprocess)
    if labels is not None:
        _check_labels(labels, result.outputs)
    if not all(np.isfinite(output).all() for output in (first, *others)):
        raise ValueError("the Keras model itself answers NaN or infinity: there is nothing to compare with")
    return result


def _check_labels(labels: np.ndarray, outputs: np.ndarray) -> None:
    if labels.shape != outputs.shape[:1]:
        raise ValueError(f"labels must be class indices (n,), one an image. Received: {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be class indices (n,), whole numbers. Received: {labels.dtype}")
    if outputs.ndim == 2 and not (labels.min() >= 0 and labels.max() < outputs.shape[1]):
        received = f"{labels.min()} to {labels.max()}"
        raise ValueError(f"labels must lie between 0 and {outputs.shape[1] - 1}. Received: {received}")


def check(
    reference: Reference,
    path: str | Path,
    platforms: Platforms = DEFAULT,
    *,
    pixels: bool | None = None,
    tolerance: Tolerance | None = None,
) -> Report:
    """Run the artifact at `path` on the reference's images, a TFLite file in each runtime, and judge it.

    `pixels` is None to ask the artifact whether it takes those, `tolerance` None for its format's own.
    """
    name = artifact_format(path)
    require_judgeable(name, reference)
    reference = _as_it_takes(reference, path, pixels)
    tolerance = tolerance or FORMATS[name].tolerance
    if name in ALONE:
        return judge(reference, ALONE[name](path, reference), tolerance, path=path, name=name)
    report = judge_all(reference, _answers(path, reference, platforms.runtimes), tolerance, path=path, name=name)
    if platforms.target is not None and (lack := lacking(path, platforms.target)):
        reason = "; ".join(filter(None, (lack, report.reason)))
        return dataclasses.replace(report, passed=False, reason=reason)
    return report


def _as_it_takes(reference: Reference, path: str | Path, pixels: bool | None) -> Reference:
    """Give the reference with grey levels as images where the artifact takes those."""
    if takes_pixels(path) if pixels is None else pixels:
        return dataclasses.replace(reference, images=to_pixels(reference.images, known(reference.preprocess)))
    return reference


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
    """Raise ValueError where a format is judged by top-1, and the reference has too few images for it."""
    has_classes = reference.outputs.ndim == 2 and not reference.others
    if FORMATS[name].tolerance.drop is not None and has_classes and len(reference.images) < FEWEST_FOR_TOP1:
        raise ValueError(
            f"{name} is judged by top-1, which takes at least {FEWEST_FOR_TOP1} held-out images. "
            f"Received: {len(reference.images)}"
        )


def check_or_report(
    reference: Reference,
    path: str | Path,
    name: str | None = None,
    *,
    pixels: bool | None = None,
    platforms: Platforms = DEFAULT,
    tolerance: Tolerance | None = None,
) -> Report:
    """Check an artifact; one that cannot be run gets a report that says why, instead of an error."""
    try:
        return check(reference, path, platforms, pixels=pixels, tolerance=tolerance)
    except ArtifactError as error:
        return unmeasured(len(reference.images), path, name, reason=str(error))


def unmeasured(n: int, path: str | Path, name: str | None, *, reason: str) -> Report:
    """Report an artifact that nothing could be measured of on `n` images."""
    return Report(
        path=str(path),
        # A name that is not known is not known from the file's ending either.
        format=name or "unreadable",
        n=n,
        passed=False,
        reason=reason,
        tolerance=FORMATS[name].tolerance if name else Tolerance(),
        size_bytes=size(path) if Path(path).exists() else 0,
    )


def run_tflite(path: str | Path, reference: Reference, runtime: Runtime = CURRENT) -> tuple[Outputs, str]:
    """Give a TFLite file's outputs (n, ...) in a runtime, and the runtime's name with its version and processor."""
    # TensorFlow's own variable, for one who runs several things side by side.
    threads = int(os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1)
    with opened(path, threads=threads, runtime=runtime.package, python=runtime.python) as session:
        _check_shapes(session.input, session.outputs, reference, path)
        answers = [session.answers(image) for image in reference.images]
        label = f"{runtime.name} {session.version}, {session.machine}"
    return tuple(np.stack(blocks) for blocks in zip(*answers, strict=True)), label


def _run_onnx(path: str | Path, reference: Reference) -> Outputs:
    return run_tflite(path, reference)[0]  # the runner sees what file it is


def _run_saved_model(path: str | Path, reference: Reference) -> Outputs:
    try:
        answer, description = open_saved_model(str(path))
    # TensorFlow has no error of its own for a damaged SavedModel: it depends on which bytes are hit.
    except Exception as error:
        raise ArtifactError(f"a SavedModel that cannot be loaded: {error}. Received: {path}") from error
    _check_shapes(description["input"], description["outputs"], reference, path)
    images, batch = reference.images, description["input"]["shape"][0]
    chunk = CHUNK if batch < 0 else batch
    missing = 0 if batch < 0 else -len(images) % batch
    padded = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
    answers = [answer(padded[start : start + chunk]) for start in range(0, len(padded), chunk)]
    return tuple(np.concatenate(blocks)[: len(images)] for blocks in zip(*answers, strict=True))


ALONE = {"saved_model": _run_saved_model, "onnx": _run_onnx}
"""What runs a format that has one runtime of its own."""


def _check_shapes(
    source: dict[str, Any], targets: list[dict[str, Any]], reference: Reference, path: str | Path
) -> None:
    outputs = (reference.outputs, *reference.others)
    expected: Shapes = (reference.images.shape[1:], [output.shape[1:] for output in outputs])
    received: Shapes = (tuple(source["shape"][1:]), [tuple(target["shape"][1:]) for target in targets])
    if received != expected:
        raise ArtifactError(
            f"this artifact belongs to another model: {_arrow(received)} where the Keras model has {_arrow(expected)}. "
            f"Received: {path}"
        )


def _arrow(shapes: Shapes) -> str:
    return f"{shapes[0]} -> {', '.join(map(str, shapes[1]))}"
