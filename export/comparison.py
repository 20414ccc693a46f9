"""What a difference between two sets of outputs amounts to, and whether a format's tolerance allows it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np

from kres.export.formats import Tolerance
from kres.export.inspection import size

# A probability below this says no more than "never"; its logarithm would only measure the underflow.
LEAST_PROBABILITY = 1e-30
# A float32 probability gives its logit back to 1e-7: differences below 1e-6 are its rounding, not the artifact's, and
# 1e-6 is the tolerance of 1e-4 times this.
LEAST_LARGEST_LOGIT = 1e-2


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the Keras model answers: images (n, h, w, c), labels (n,) or None, outputs (n, ...)."""

    images: np.ndarray
    labels: np.ndarray | None
    outputs: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one runtime answers to the reference's images: outputs (n, ...), or the error that it gave instead."""

    runtime: str
    outputs: np.ndarray | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class RuntimeReport:
    """What of a Report holds for one runtime alone; `apart` is how far its outputs are from each runtime's, in order.

    A distance of zero means equal bit for bit: to itself, and to a runtime that computes the same.
    """

    runtime: str
    passed: bool
    reason: str
    agreement: float | None = None
    max_difference: float | None = None
    mean_difference: float | None = None
    cosine: float | None = None
    top1: float | None = None
    apart: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """How exact an artifact computes a layer: signal over noise against Keras in dB, 300 for no difference at all."""

    name: str
    snr_db: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of a verification; differences are in units of the largest logit (of the largest output in int8).

    `agreement` is the share of images with the same top-1, `lost` the number of images that top-1 loses: counted where
    there are labels, else expected by the Keras model's own probabilities. What could not be measured is None.

    Of a TFLite file, `runtimes` has a row for each that it was run in. The figures above are the first one's that it
    runs in, and it has passed if it has in all of them. `layers` is there on request.
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
    runtimes: tuple[RuntimeReport, ...] = ()
    layers: tuple[LayerError, ...] = ()


SHARED = [field for field in fields(RuntimeReport) if field.name not in ("runtime", "apart")]


def judge_all(
    reference: Reference, answers: Sequence[Answers], tolerance: Tolerance, *, path: str | Path, name: str
) -> Report:
    """Judge what each runtime answers, of which at least one must have run the artifact."""
    reports = [
        None if answer.outputs is None else judge(reference, answer.outputs, tolerance, path=path, name=name)
        for answer in answers
    ]
    first = next(report for report in reports if report is not None)
    distances = _distances(reference, answers, logits=tolerance.logits)
    rows = []
    for answer, report, apart in zip(answers, reports, distances, strict=True):
        if report is None:
            rows.append(RuntimeReport(runtime=answer.runtime, passed=False, reason=answer.error, apart=apart))
        else:
            shared = {field.name: getattr(report, field.name) for field in SHARED}
            rows.append(RuntimeReport(runtime=answer.runtime, apart=apart, **shared))
    failed = [row for row in rows if not row.passed]
    reason = "; ".join(row.reason if len(rows) == 1 else f"in {row.runtime} {row.reason}" for row in failed)
    return replace(first, passed=not failed, reason=reason, runtimes=tuple(rows))


def _distances(reference: Reference, answers: Sequence[Answers], *, logits: bool) -> list[tuple[float | None, ...]]:
    """Measure each pair of runtimes once, so that both rows say the same."""
    count = len(answers)
    found: list[list[float | None]] = [[None] * count for _ in answers]
    for first, second in combinations_with_replacement(range(count), 2):
        ours, theirs = answers[first].outputs, answers[second].outputs
        if ours is None or theirs is None or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            continue
        apart = 0.0
        if not np.array_equal(ours, theirs):
            apart = measure(replace(reference, outputs=ours), theirs, logits=logits)["max_difference"]
        found[first][second] = found[second][first] = apart
    return [tuple(row) for row in found]


def judge(reference: Reference, outputs: np.ndarray, tolerance: Tolerance, *, path: str | Path, name: str) -> Report:
    """Compare outputs (n, ...) with the reference's and say what tolerance is broken, if one is."""
    report = Report(
        path=str(path), format=name, n=len(outputs), passed=False, reason="", tolerance=tolerance, size_bytes=size(path)
    )
    broken = int((~np.isfinite(outputs)).reshape(len(outputs), -1).any(1).sum())
    if broken:
        return replace(report, reason=f"the artifact answers NaN or infinity on {broken} of {len(outputs)} images")
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
    largest = max(float(np.abs(ours).max()), least)
    difference = np.abs(theirs - ours) / largest
    result = {
        "max_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "cosine": _cosine(ours, theirs),
    }
    if reference.outputs.ndim == 2:
        result |= _top1(reference, outputs, probabilities)
    return result


def _top1(reference: Reference, outputs: np.ndarray, probabilities: bool) -> dict[str, Any]:
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


def violations(measured: dict[str, Any], tolerance: Tolerance, n: int, *, labels: bool) -> list[str]:
    """Say in words which bounds are broken.

    The bound on top-1 is a share of the images, but never less than one image: n images cannot show a smaller loss.
    """
    found = []
    difference, cosine, lost = measured["max_difference"], measured["cosine"], measured.get("lost")
    if tolerance.relative is not None and difference > tolerance.relative:
        found.append(f"logits differ by {difference:.2g} of the largest, allowed is {tolerance.relative:.2g}")
    if tolerance.drop is not None and lost is not None and lost > (allowed := max(1.0, tolerance.drop * n)):
        how = "loses" if labels else "is expected to lose"
        agreement = measured["agreement"]
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
