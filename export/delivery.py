"""Writes one artifact to a temporary name, and to the final one when the file has run and equals the Keras model."""

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path

import keras

from kres.export import sidecar
from kres.export.about import About
from kres.export.conversion.pixels import INPUT_RANGE, known, pinned, to_pixels, with_pixels
from kres.export.files import metadata
from kres.export.files.normalisation import RAW, Normalisation
from kres.export.formats import FORMATS, Options
from kres.export.post_training.quantize import GaveUpError, PostTraining, quantize
from kres.export.proof.comparison import is_probability
from kres.export.proof.reports import Reference, Report
from kres.export.proof.verification import check_or_report, unmeasured
from kres.export.request import needs_calibration
from kres.export.runtimes.compatibility import Platforms
from kres.writing import move


def deliver(
    name: str,
    model: keras.Model,
    path: Path,
    *,
    options: Options,
    expected: Reference,
    how: PostTraining,
    platforms: Platforms,
    about: About,
) -> Report:
    """Write `path` under a temporary name, run it, and rename it to `path`, or to `<path>.rejected` with a report.

    A file that could not even be made has a report alone.
    """
    normalisation = None if expected.preprocess is None else Normalisation.of(expected.preprocess)
    asked = expected
    if options.pixels:
        preprocess, normalisation = known(expected.preprocess), RAW
        model = with_pixels(model, preprocess, rounded=FORMATS[name].calibrated)
        asked = dataclasses.replace(expected, images=to_pixels(expected.images, preprocess))
        if options.calibration is not None:
            options = dataclasses.replace(options, calibration=pinned(to_pixels(options.calibration, preprocess)))
    try:
        options = _with_twin(name, model, options, how, asked)
    except GaveUpError as error:
        return unmeasured(len(expected.images), path, name, reason=str(error))
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        written = scratch / path.name
        probabilities = is_probability(expected.outputs)
        FORMATS[name].write(model, written, options)
        if metadata.is_tflite(written):
            metadata.pack(written, about, normalisation, probabilities=probabilities)
        tolerance = FORMATS[name].tolerance
        if options.quantized is not None and how.max_drop is not None:
            tolerance = dataclasses.replace(tolerance, drop=how.max_drop / 100)
        report = check_or_report(
            expected, written, name, pixels=options.pixels, platforms=platforms, tolerance=tolerance
        )
        if options.quantized is not None:
            quantized = options.quantized
            report = dataclasses.replace(report, layers=quantized.layers, kept_float=quantized.kept_float)
        if not report.passed:
            return _rejected(report, written, path)
        report = dataclasses.replace(report, path=str(path))
        _accepted(written, path, sidecar.describe(written, report, about, normalisation, probabilities=probabilities))
        return report
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _with_twin(name: str, model: keras.Model, options: Options, how: PostTraining, expected: Reference) -> Options:
    """Add the quantized twin that int8 is written from, where the model is not one itself."""
    if not FORMATS[name].rounded or not needs_calibration(model, name) or options.calibration is None:
        return options
    fixed = INPUT_RANGE if options.pixels else {}
    return dataclasses.replace(options, quantized=quantize(model, options.calibration, how, expected, fixed=fixed))


def _accepted(written: Path, path: Path, facts: dict[str, object]) -> None:
    aside = sidecar.write(facts, written.parent)
    rejected = _rejected_name(path)
    # Whatever ends this between two steps, no sidecar stands beside an artifact that it does not describe.
    remove(sidecar.path_of(path))
    move(written, path)
    os.replace(aside, sidecar.path_of(path))
    for leftover in (rejected, sidecar.path_of(rejected)):
        remove(leftover)


def _rejected(report: Report, written: Path, path: Path) -> Report:
    rejected = _rejected_name(path)
    report = dataclasses.replace(report, path=str(rejected))
    aside = sidecar.write(dataclasses.asdict(report), written.parent)
    move(written, rejected)
    os.replace(aside, sidecar.path_of(rejected))
    return report


def _rejected_name(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejected")


def remove(path: Path) -> None:
    """Remove a file or a directory where there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
