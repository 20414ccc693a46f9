"""What a difference between two sets of outputs amounts to, and whether a format's tolerance allows it."""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np

from kres.export.files.inspection import size
from kres.export.formats import Tolerance
from kres.export.proof.reports import Answers, Change, Reference, Report, RuntimeReport

# A probability below this says no more than "never"; its logarithm would only measure the underflow.
LEAST_PROBABILITY = 1e-30
# A float32 probability gives its logit back to 1e-7: differences below 1e-6 are its rounding, not the artifact's, and
# 1e-6 is the tolerance of 1e-4 times this.
LEAST_LARGEST_LOGIT = 1e-2


SHARED = [field for field in fields(RuntimeReport) if field.name not in ("runtime", "apart")]


def judge_all(
    reference: Reference, answers: Sequence[Answers], tolerance: Tolerance, *, path: str | Path, name: str
) -> Report:
    """Judge what each runtime answers, of which at least one must have run the artifact."""
    reports = [
        judge(reference, answer.outputs, tolerance, path=path, name=name) if answer.outputs else None
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


def with_advice(report: Report, advice: str) -> Report:
    """Add what may help to the reason of a report on a file that loses too much."""
    losing = any(not row.passed and row.max_difference is not None for row in report.runtimes)
    return replace(report, reason=f"{report.reason}. {advice}") if losing and advice else report


def _distances(reference: Reference, answers: Sequence[Answers], *, logits: bool) -> list[tuple[float | None, ...]]:
    """Measure each pair of runtimes once, so that both rows say the same."""
    count = len(answers)
    found: list[list[float | None]] = [[None] * count for _ in answers]
    for first, second in combinations_with_replacement(range(count), 2):
        ours, theirs = answers[first].outputs, answers[second].outputs
        if not ours or not theirs or not all(np.isfinite(output).all() for output in (*ours, *theirs)):
            continue
        apart = 0.0
        if not all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True)):
            base = replace(reference, outputs=ours[0], others=tuple(ours[1:]))
            apart = measure_all(base, theirs, logits=logits)["max_difference"]
        found[first][second] = found[second][first] = apart
    return [tuple(row) for row in found]


def judge(
    reference: Reference, outputs: Sequence[np.ndarray], tolerance: Tolerance, *, path: str | Path, name: str
) -> Report:
    """Compare each output (n, ...) with the reference's and say what tolerance is broken, if one is."""
    n = len(reference.images)
    report = Report(
        path=str(path), format=name, n=n, passed=False, reason="", tolerance=tolerance, size_bytes=size(path)
    )
    finite = [np.isfinite(each).reshape(n, -1).all(1) for each in outputs]
    broken = int((~np.logical_and.reduce(finite)).sum())
    if broken:
        return replace(report, reason=f"the artifact answers NaN or infinity on {broken} of {n} images")
    measured = measure_all(reference, outputs, logits=tolerance.logits)
    reason = "; ".join(violations(measured, tolerance, n, labels=reference.labels is not None))
    return replace(report, passed=not reason, reason=reason, **measured)


def measure_all(reference: Reference, outputs: Sequence[np.ndarray], *, logits: bool) -> dict[str, Any]:
    """Give the measured fields of a Report; several outputs are compared as they are, each by its own largest value."""
    if not reference.others:
        return measure(reference, outputs[0], logits=logits)
    least = float(np.finfo(np.float32).tiny)
    pairs = zip((reference.outputs, *reference.others), outputs, strict=True)
    found = [_difference(ours.astype(np.float64), theirs.astype(np.float64), least=least) for ours, theirs in pairs]
    return {
        "max_difference": max(each["max_difference"] for each in found),
        "mean_difference": float(np.mean([each["mean_difference"] for each in found])),
        "cosine": min(each["cosine"] for each in found),
    }


def measure(reference: Reference, outputs: np.ndarray, *, logits: bool) -> dict[str, Any]:
    """Give the measured fields of a Report for one output.

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
    """Say in words which bounds are broken."""
    found = []
    difference, cosine, lost = measured["max_difference"], measured["cosine"], measured.get("lost")
    least = tolerance.cosine if lost is not None else max(tolerance.cosine, tolerance.features)
    if tolerance.relative is not None and difference > tolerance.relative:
        found.append(
            f"its logits differ by up to {difference:.2g} times the largest one, and may by {tolerance.relative:.2g}"
        )
    if lost is not None and lost > (allowed := tolerance.allowed_loss(n, labels=labels)):
        how = "loses" if labels else "is expected to lose"
        # Each changed answer is worth plus or minus one image, so their sum strays by the root of their number.
        chance = (n * (1 - measured["agreement"])) ** 0.5
        words = f"top-1 {how} {in_images(lost, labels=labels)} of {n:,} images"
        words += f", and may lose {in_images(allowed, labels=labels)}"
        luck = f" (that may be chance, which makes about {chance:.0f} more or less: more images show it better)"
        found.append(words + (luck if lost - allowed <= 2 * chance else ""))
    if cosine < least:
        found.append(f"its outputs are too unlike the model's: their mean cosine is {cosine:.3f}, not at least {least}")
    return found


def in_images(loss: float, *, labels: bool) -> str:
    """Write a loss of top-1: whole images where they are counted by labels, and tenths where it is expected."""
    return f"{loss:,.0f}" if labels else f"{loss:,.1f}"


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
