"""What a difference between two sets of outputs amounts to, and whether a format's tolerance allows it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kres.export.formats import Tolerance
from kres.export.inspection import size
from kres.preprocessing import Preprocess

# A probability below this says no more than "never"; its logarithm would only measure the underflow.
LEAST_PROBABILITY = 1e-30
# A float32 probability gives its logit back to 1e-7: differences below 1e-6 are its rounding, not the artifact's, and
# 1e-6 is the tolerance of 1e-4 times this.
LEAST_LARGEST_LOGIT = 1e-2


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the Keras model answers: images (n, h, w, c), labels (n,) or None, outputs (n, ...).

    A model of several outputs has the first by name there and the rest in `others`. `preprocess` is how grey levels
    became those images, where it is known.
    """

    images: np.ndarray
    labels: np.ndarray | None
    outputs: np.ndarray
    others: tuple[np.ndarray, ...] = ()
    preprocess: Preprocess | None = None


class Change(NamedTuple):
    """An image, by its place in the reference, to which the artifact gives another class than the Keras model."""

    image: int
    keras: int
    artifact: int


EXACT_DB = 300.0
"""The signal-to-noise ratio of a layer without any difference."""


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """How exact an artifact computes a layer: signal over noise against Keras in dB, 300 for no difference at all."""

    name: str
    snr_db: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of a verification; differences are in units of the largest logit (of the largest output in int8).

    Of several outputs it has the largest difference, the mean one and the least cosine, and no top-1.
    `agreement` is the share of images with the same top-1, `changed` holds the others, `lost` is the number of images
    that top-1 loses: counted where there are labels, else expected by the Keras model's own probabilities. What could
    not be measured is None. `layers` holds the layers' errors, in the network's order, where they were measured.
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
    changed: tuple[Change, ...] = ()
    layers: tuple[LayerError, ...] = ()


def judge(
    reference: Reference,
    outputs: np.ndarray,
    tolerance: Tolerance,
    *,
    path: str | Path,
    name: str,
    others: tuple[np.ndarray, ...] = (),
) -> Report:
    """Compare outputs (n, ...), and the others of several, with the reference's and say what tolerance is broken."""
    report = Report(
        path=str(path), format=name, n=len(outputs), passed=False, reason="", tolerance=tolerance, size_bytes=size(path)
    )
    finite = [np.isfinite(each).reshape(len(each), -1).all(1) for each in (outputs, *others)]
    broken = int((~np.logical_and.reduce(finite)).sum())
    if broken:
        return replace(report, reason=f"the artifact answers NaN or infinity on {broken} of {len(outputs)} images")
    if others:
        measured = _all_measured(reference, (outputs, *others))
    else:
        measured = measure(reference, outputs, logits=tolerance.logits)
    reason = "; ".join(violations(measured, tolerance, len(outputs), labels=reference.labels is not None))
    return replace(report, passed=not reason, reason=reason, **measured)


def measure(reference: Reference, outputs: np.ndarray, *, logits: bool) -> dict[str, Any]:
    """Give the measured fields of a Report.

    Softmax hides errors: a probability of 1 stays 1 while its logit moves by ten. So probabilities are taken back to
    logits by their logarithm, which is exact up to a constant an image, and that constant by centring.
    """
    probabilities = is_probability(reference.outputs)
    ours, theirs = reference.outputs.astype(np.float64), outputs.astype(np.float64)
    least = float(np.finfo(np.float32).tiny)
    if logits and probabilities:
        ours, theirs, least = _centred_log(ours), _centred_log(theirs), LEAST_LARGEST_LOGIT
    result = _difference(ours, theirs, least=least)
    if reference.outputs.ndim == 2:
        result |= _top1(reference, outputs, probabilities)
    return result


def _difference(ours: np.ndarray, theirs: np.ndarray, *, least: float) -> dict[str, Any]:
    difference = np.abs(theirs - ours) / max(float(np.abs(ours).max()), least)
    return {
        "max_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "cosine": _cosine(ours, theirs),
    }


def _all_measured(reference: Reference, outputs: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """Compare each of several outputs as it is, in units of its own largest value."""
    least = float(np.finfo(np.float32).tiny)
    pairs = zip((reference.outputs, *reference.others), outputs, strict=True)
    found = [_difference(ours.astype(np.float64), theirs.astype(np.float64), least=least) for ours, theirs in pairs]
    return {
        "max_difference": max(each["max_difference"] for each in found),
        "mean_difference": float(np.mean([each["mean_difference"] for each in found])),
        "cosine": min(each["cosine"] for each in found),
    }


def _top1(reference: Reference, outputs: np.ndarray, probabilities: bool) -> dict[str, Any]:
    ours, theirs = reference.outputs.argmax(1), outputs.argmax(1)
    rows = np.arange(len(ours))
    changed = tuple(Change(int(row), int(ours[row]), int(theirs[row])) for row in np.flatnonzero(ours != theirs))
    found = {"agreement": float((ours == theirs).mean()), "changed": changed}
    if reference.labels is None:
        # A changed answer costs as much accuracy as the Keras model gives the old one above the new one.
        chances = reference.outputs if probabilities else _softmax(reference.outputs)
        lost = float((chances[rows, ours] - chances[rows, theirs]).sum())
        return {**found, "lost": lost}
    right, still_right = ours == reference.labels, theirs == reference.labels
    return {
        **found,
        "lost": float(right.sum() - still_right.sum()),
        "top1": float(still_right.mean()),
        "top1_keras": float(right.mean()),
    }


def violations(measured: dict[str, Any], tolerance: Tolerance, n: int, *, labels: bool) -> list[str]:
    """Say in words which bounds are broken.

    The bound on top-1 is a share of the images, but never less than one image: n images cannot show a smaller loss.
    """
    found = []
    difference, cosine, lost = measured["max_difference"], measured["cosine"], measured.get("lost")
    least = tolerance.cosine if lost is not None else max(tolerance.cosine, tolerance.features)
    if tolerance.relative is not None and difference > tolerance.relative:
        found.append(f"logits differ by {difference:.2g} of the largest, allowed is {tolerance.relative:.2g}")
    if tolerance.drop is not None and lost is not None and lost > (allowed := max(1.0, tolerance.drop * n)):
        how = "loses" if labels else "is expected to lose"
        agreement = measured["agreement"]
        # Each changed answer is worth plus or minus one image, so their sum strays by the root of their number.
        chance = (n * (1 - agreement)) ** 0.5
        words = f"top-1 {how} {lost:.3g} of {n} images, allowed is {allowed:.3g}"
        found.append(f"{words} (chance moves it by about {chance:.1f}: the more images, the clearer)")
    if cosine < least:
        found.append(f"the outputs' mean cosine is {cosine:.3f}, at least {least} is allowed")
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
