"""Runs an artifact in its runtime on the reference's images, whatever comes of it."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from kres.export.files.errors import ArtifactError
from kres.export.proof.reports import Reference
from kres.export.runner import open_saved_model
from kres.export.runtimes.interpreters import CURRENT, Runtime
from kres.export.runtimes.session import opened
from kres.export.walking import CHUNK
from kres.hardware import cores

# For one who runs several things side by side.
THREADS = "TF_NUM_INTRAOP_THREADS"

Outputs = tuple[np.ndarray, ...]
Shapes = tuple[tuple[int, ...], list[tuple[int, ...]]]
"""Of the input and of each output, without the batch."""


def interpreter_threads() -> int:
    """How many threads an interpreter gets: as many as TensorFlow's own variable says, else one a core.

    Raises ValueError where it says what is no whole number; 0 leaves the choice to the program, as in TensorFlow.
    """
    given = os.environ.get(THREADS) or "0"
    try:
        threads = int(given)
    except ValueError:
        raise ValueError(f"{THREADS} must be a whole number of threads. Received: {THREADS}={given!r}") from None
    return threads if threads >= 1 else cores()


def run_tflite(path: str | Path, reference: Reference, runtime: Runtime = CURRENT) -> tuple[Outputs, str]:
    """Give a TFLite file's outputs (n, ...) in a runtime, and the runtime's name with its version and processor."""
    with opened(path, threads=interpreter_threads(), runtime=runtime.package, python=runtime.python) as session:
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
