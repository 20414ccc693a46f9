"""Runs an artifact and its Keras model on the same images and judges the difference by the format's tolerance."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kres.export.beside import tolerance_beside
from kres.export.conversion import models
from kres.export.conversion.converter import named_outputs
from kres.export.conversion.pixels import known, preprocess_of, takes_pixels, to_pixels
from kres.export.files.errors import ArtifactError
from kres.export.files.inspection import artifact_format, size
from kres.export.files.interfaces import interface
from kres.export.formats import FORMATS, Tolerance
from kres.export.images import Images, collect
from kres.export.proof.comparison import judge, judge_all, with_advice
from kres.export.proof.reports import Answers, Reference, Report
from kres.export.proof.running import ALONE, run_tflite
from kres.export.runtimes.compatibility import DEFAULT, Platforms, lacking
from kres.export.runtimes.interpreters import CURRENT, Runtime
from kres.export.walking import chunks
from kres.preprocessing import Preprocess

# One image more or less must not be all that a top-1 is made of.
FEWEST_FOR_TOP1 = 32

logger = logging.getLogger("kres")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an artifact was made to be: its format, the type of its input and output, and how far it may stray.

    `advice` is said where it strays further.
    """

    format: str
    io: str
    tolerance: Tolerance
    advice: str = ""


def verify(
    model: keras.Model,
    path: str | Path,
    images: Images,
    labels: np.ndarray | None = None,
    *,
    image_size: int | None = None,
    preprocess: Preprocess | None = None,
    max_drop: float | None = None,
    runtimes: Sequence[Runtime] = (CURRENT,),
    target_runtime: str | None = None,
) -> Report:
    """Run the artifact at `path` against `model` on normalised images (n, h, w, c), and judge it by its format.

    `images` is an array, an iterable or a tf.data dataset, of images or of (images, labels); uint8 grey levels are
    normalised by `preprocess`, which a network of kres knows itself. An artifact that says that it takes raw pixels
    gets those. A TFLite file runs in a process of its own in each of `runtimes` (`installed_runtimes()` gives all), an
    ONNX file in another, a SavedModel through its serving signature. A file with operators that `target_runtime`,
    "2.14", does not have fails. One that is judged by top-1 may lose `max_drop` percentage points; for None, those that
    its export was asked for, as the JSON beside it says, else its format's. A model of mixed precision stands in as its
    float32 twin, and one of any image size at `image_size`.

    Raises ArtifactError when the file runs nowhere or belongs to a model of other shapes, ValueError for images that
    the model cannot take, for fewer than 32 images where the format is judged by top-1, and for a target runtime that
    is not known.
    """
    platforms = Platforms(runtimes=runtimes, target=target_runtime)
    expected = reference(models.sized(model, image_size), images, labels, preprocess=preprocess)
    return check(expected, path, platforms=platforms, max_drop=max_drop)


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
    asked: Asked | None = None,
    *,
    platforms: Platforms = DEFAULT,
    max_drop: float | None = None,
) -> Report:
    """Run the artifact at `path` on the reference's images, a TFLite file in each runtime, and judge it.

    It is judged as what it was `asked` to be, and the images are as it takes them then. Of a foreign artifact, None,
    its bytes say what format it is of and whether it takes raw pixels, and `max_drop` is as in `verify`.
    """
    found = artifact_format(path)
    name = found if asked is None else asked.format
    broken = _other_format(path, name, found)
    require_judgeable(name, reference)
    if asked is None and takes_pixels(path):
        reference = as_pixels(reference)
    tolerance = _foreign_tolerance(Path(path), name, max_drop) if asked is None else asked.tolerance
    types = "" if asked is None else _other_types(path, asked.io)
    lack = ""
    if FORMATS[found].tflite:
        report = judge_all(reference, _answers(path, reference, platforms.runtimes), tolerance, path=path, name=name)
        report = report if asked is None else with_advice(report, asked.advice)
        lack = "" if platforms.target is None else lacking(path, platforms.target)
    else:
        report = judge(reference, ALONE[found](path, reference), tolerance, path=path, name=name)
    if not (broken or types or lack):
        return report
    return dataclasses.replace(
        report, passed=False, reason="; ".join(filter(None, (broken, types, lack, report.reason)))
    )


def _foreign_tolerance(path: Path, name: str, max_drop: float | None) -> Tolerance:
    """Give what an artifact is judged by of which its bytes say that it is of format `name`."""
    if max_drop is None:
        return tolerance_beside(path, name)
    own = FORMATS[name].tolerance
    if own.drop is None:
        logger.warning("%s: %s is not judged by top-1, and max_drop changes nothing", path.name, name)
        return own
    return own.allowing(max_drop)


def as_pixels(reference: Reference) -> Reference:
    """Give the reference with the grey levels that its images were made of."""
    return dataclasses.replace(reference, images=to_pixels(reference.images, known(reference.preprocess)))


def _other_format(path: str | Path, name: str, found: str) -> str:
    """Say that an artifact is of another format than the one that was asked for.

    A TFLite file in float32 is as it should be where the model has nothing to quantize: that is logged alone.
    """
    if name == found:
        return ""
    if found == "float32" and FORMATS[name].tflite:
        logger.warning("%s: %s changes nothing in this model, and the file is as %s is", Path(path).name, name, found)
        return ""
    return f"the file is as {found} is, and {name} was asked for"


def _other_types(path: str | Path, io: str) -> str:
    """Say which inputs and outputs of an artifact are of another type than `io`."""
    tensors = interface(path)
    pairs = [("input", tensor) for tensor in tensors.inputs] + [("output", tensor) for tensor in tensors.outputs]
    wrong = [f"the {role} {tensor.name!r} is {tensor.dtype}" for role, tensor in pairs if tensor.dtype != io]
    return f"{', '.join(wrong)}, and {io} was asked for" if wrong else ""


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


def require_judgeable(name: str, reference: Reference, *, calibrated: bool = False) -> None:
    """Raise ValueError where a format is judged by top-1, and the reference has too few images for it.

    `calibrated` says that the images are those to calibrate on, since no others were given.
    """
    has_classes = reference.outputs.ndim == 2 and not reference.others
    if FORMATS[name].tolerance.drop is not None and has_classes and len(reference.images) < FEWEST_FOR_TOP1:
        whose = " calibration images, and no others: pass held-out ones as images=" if calibrated else ""
        raise ValueError(
            f"{name} is judged by top-1, which takes at least {FEWEST_FOR_TOP1} held-out images. "
            f"Give more, or export another format. Received: {len(reference.images)}{whose}"
        )


def check_or_report(
    reference: Reference,
    path: str | Path,
    asked: Asked | None = None,
    *,
    platforms: Platforms = DEFAULT,
    max_drop: float | None = None,
) -> Report:
    """Check an artifact; one that cannot be run gets a report that says why, instead of an error."""
    try:
        return check(reference, path, asked, platforms=platforms, max_drop=max_drop)
    except ArtifactError as error:
        return unmeasured(len(reference.images), path, asked, reason=str(error))


def unmeasured(n: int, path: str | Path | None, asked: Asked | None, *, reason: str) -> Report:
    """Report an artifact that nothing could be measured of on `n` images, or one that could not be made, of no path."""
    return Report(
        path=None if path is None else str(path),
        # A format that is not known is not known from the file's ending either.
        format="unreadable" if asked is None else asked.format,
        n=n,
        passed=False,
        reason=reason,
        tolerance=Tolerance() if asked is None else asked.tolerance,
        size_bytes=size(path) if path is not None and Path(path).exists() else None,
    )
