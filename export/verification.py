"""Runs an artifact and its Keras model on the same images and judges the difference by the format's tolerance."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kres.export import conversion
from kres.export.formats import FORMATS, Tolerance
from kres.export.images import Images, collect
from kres.export.inspection import artifact_format
from kres.export.runner import open_saved_model
from kres.export.session import ArtifactError, opened

CHUNK = 64
# An eager call of a functional model keeps every layer's output until it ends: of a net of 400 blocks, 0.2 GB an image.
EAGER_BYTES = 1_000_000_000
# One image more or less must not be all that a top-1 is made of.
FEWEST_FOR_TOP1 = 32
# A probability below this says no more than "never"; its logarithm would only measure the underflow.
LEAST_PROBABILITY = 1e-30


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the Keras model answers: images (n, h, w, c), labels (n,) or None, outputs (n, ...)."""

    images: np.ndarray
    labels: np.ndarray | None
    outputs: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of a verification; differences are in units of the largest logit (of the largest output in int8).

    `agreement` is the share of images with the same top-1, `lost` the number of images that top-1 loses: counted where
    there are labels, else expected by the Keras model's own probabilities. What could not be measured is None.
    """

    path: str
    format: str
    n: int
    passed: bool
    reason: str
    tolerance: Tolerance
    size_bytes: int
    agreement: float | None = None
    max_difference: float | None = None
    mean_difference: float | None = None
    cosine: float | None = None
    lost: float | None = None
    top1: float | None = None
    top1_keras: float | None = None


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


def check(reference: Reference, path: str | Path) -> Report:
    """Run the artifact at `path` on the reference's images and judge it."""
    name = artifact_format(path)
    tolerance = FORMATS[name].tolerance
    n = len(reference.images)
    if tolerance.drop is not None:
        if reference.outputs.ndim != 2:
            raise ValueError(
                f"{name} is judged by top-1, so outputs must be (n, classes). Received: {reference.outputs.shape}"
            )
        if n < FEWEST_FOR_TOP1:
            raise ValueError(f"{name} is judged by top-1, which takes at least {FEWEST_FOR_TOP1} images. Received: {n}")
    outputs = run(path, reference, name)
    return judge(reference, outputs, tolerance, path=path, name=name)


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


def judge(reference: Reference, outputs: np.ndarray, tolerance: Tolerance, *, path: str | Path, name: str) -> Report:
    """Compare outputs (n, ...) with the reference's and say what tolerance is broken, if one is."""
    base = {"path": str(path), "format": name, "n": len(outputs), "tolerance": tolerance, "size_bytes": size(path)}
    broken = int((~np.isfinite(outputs)).reshape(len(outputs), -1).any(1).sum())
    if broken:
        reason = f"the artifact answers NaN or infinity on {broken} of {len(outputs)} images"
        return Report(passed=False, reason=reason, **base)
    measured = measure(reference, outputs, logits=tolerance.logits)
    reason = "; ".join(violations(measured, tolerance, len(outputs), labels=reference.labels is not None))
    return Report(passed=not reason, reason=reason, **base, **measured)


def measure(reference: Reference, outputs: np.ndarray, *, logits: bool) -> dict[str, float | None]:
    """Give the measured fields of a Report.

    Softmax hides errors: a probability of 1 stays 1 while its logit moves by ten. So probabilities are taken back to
    logits by their logarithm, which is exact up to a constant an image, and that constant by centring.
    """
    probabilities = is_probability(reference.outputs)
    ours, theirs = reference.outputs.astype(np.float64), outputs.astype(np.float64)
    if logits and probabilities:
        ours, theirs = _centred_log(ours), _centred_log(theirs)
    largest = max(float(np.abs(ours).max()), np.finfo(np.float32).tiny)
    difference = np.abs(theirs - ours) / largest
    result: dict[str, float | None] = {
        "max_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "cosine": _cosine(ours, theirs),
    }
    if reference.outputs.ndim == 2:
        result |= _top1(reference, outputs, probabilities)
    return result


def _top1(reference: Reference, outputs: np.ndarray, probabilities: bool) -> dict[str, float | None]:
    ours, theirs = reference.outputs.argmax(1), outputs.argmax(1)
    rows = np.arange(len(ours))
    if reference.labels is None:
        # A changed answer costs as much accuracy as the Keras model gives the old one above the new one.
        chances = reference.outputs if probabilities else _softmax(reference.outputs)
        lost = float((chances[rows, ours] - chances[rows, theirs]).sum())
        return {"agreement": float((ours == theirs).mean()), "lost": lost}
    right, still_right = ours == reference.labels, theirs == reference.labels
    return {
        "agreement": float((ours == theirs).mean()),
        "lost": float(right.sum() - still_right.sum()),
        "top1": float(still_right.mean()),
        "top1_keras": float(right.mean()),
    }


def violations(measured: dict[str, float | None], tolerance: Tolerance, n: int, *, labels: bool) -> list[str]:
    """Say in words which bounds are broken.

    The bound on top-1 is a share of the images, but never less than one image: n images cannot show a smaller loss.
    """
    found = []
    difference, cosine, lost = measured["max_difference"], measured["cosine"], measured.get("lost")
    assert difference is not None and cosine is not None
    if tolerance.relative is not None and difference > tolerance.relative:
        found.append(f"logits differ by {difference:.2g} of the largest, allowed is {tolerance.relative:.2g}")
    if tolerance.drop is not None and lost is not None and lost > (allowed := max(1.0, tolerance.drop * n)):
        how = "loses" if labels else "is expected to lose"
        agreement = measured["agreement"]
        assert agreement is not None
        # Each changed answer is worth plus or minus one image, so their sum strays by the root of their number.
        chance = (n * (1 - agreement)) ** 0.5
        words = f"top-1 {how} {lost:.3g} of {n} images, allowed is {allowed:.3g}"
        found.append(f"{words} (chance moves it by about {chance:.1f}: the more images, the clearer)")
    if cosine < tolerance.cosine:
        found.append(f"the outputs' mean cosine is {cosine:.3f}, at least {tolerance.cosine} is allowed")
    return found


def is_probability(outputs: np.ndarray) -> bool:
    """Say whether outputs (n, classes) are those of a softmax: none negative, and each row's sum is one."""
    return outputs.ndim == 2 and bool(outputs.min() >= 0 and np.allclose(outputs.sum(1), 1, atol=1e-4))


def _centred_log(probabilities: np.ndarray) -> np.ndarray:
    logits = np.log(np.maximum(probabilities, LEAST_PROBABILITY))
    return logits - logits.mean(1, keepdims=True)


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def _cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    a, b = ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1)
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    # Two constant outputs are alike, a constant one and another are not.
    constant = norms == 0
    cosines = (a * b).sum(1) / np.where(constant, 1, norms)
    cosines[constant] = (a == b).all(1)[constant]
    return float(cosines.mean())


def size(path: str | Path) -> int:
    """Give the bytes of a file, or of all files of a directory."""
    path = Path(path)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
