"""Writes one artifact to a temporary name, and to the final one when the file has run and equals the Keras model."""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import keras

from kres.export import sidecar
from kres.export.about import About
from kres.export.conversion.pixels import INPUT_RANGE, known, with_pixels
from kres.export.files import metadata
from kres.export.files.normalisation import RAW, Normalisation
from kres.export.formats import FORMATS, Options
from kres.export.losses import Quantized
from kres.export.naming import rejected_name
from kres.export.placing import accept, reject
from kres.export.post_training.quantize import GaveUpError, PostTraining, check_layers, quantize
from kres.export.proof.comparison import is_probability
from kres.export.proof.reports import Reference, Report
from kres.export.proof.verification import Asked, check_or_report, unmeasured
from kres.export.request import needs_calibration
from kres.export.runtimes.compatibility import Platforms
from kres.preprocessing import Preprocess


class Delivery(NamedTuple):
    """What became of an artifact, and why it could not even be made, where that is so."""

    report: Report
    error: Exception | None = None


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
) -> Delivery:
    """Write `path` under a temporary name, run it, and rename it to `path`, or to `<path>.rejected` with a report.

    The images of `expected`, and those to calibrate on, are as the artifact takes them. A file that could not even be
    made leaves a report alone: int8 would lose too much, or model or images are none that the format can take.
    """
    with _scratch_beside(path) as scratch:
        written = scratch / path.name

        def finish(report: Report, made: Path | None) -> Report:
            report = dataclasses.replace(report, path=str(path if report.passed else rejected_name(path)))
            facts = sidecar.describe(
                report,
                about,
                artifact=made,
                preprocess=expected.preprocess,
                pixels=options.pixels,
                probabilities=is_probability(expected.outputs),
            )
            aside = sidecar.write(facts, scratch)
            if report.passed:
                accept(written, aside, path)
            else:
                reject(made, aside, path)
            return report

        try:
            quantized = _write(name, model, written, options=options, expected=expected, how=how, about=about)
        except (GaveUpError, ValueError) as error:
            unmade = unmeasured(len(expected.images), path, name, reason=str(error))
            return Delivery(finish(unmade, None), error)
        report = _judge(name, written, quantized, options=options, expected=expected, how=how, platforms=platforms)
        return Delivery(finish(report, written))


def check_quantizable(
    name: str, model: keras.Model, *, options: Options, preprocess: Preprocess | None, how: PostTraining
) -> None:
    """Raise ValueError for what quantization of this model would refuse, whatever the images are."""
    if FORMATS[name].calibrated and FORMATS[name].rounded:
        check_layers(_fed(name, model, options=options, preprocess=preprocess), how, options.io)


@contextmanager
def _scratch_beside(path: Path) -> Iterator[Path]:
    # Its name is known before it is made: an interrupt finds it, whenever it comes.
    scratch = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        scratch.mkdir(mode=0o700)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(
    name: str,
    model: keras.Model,
    written: Path,
    *,
    options: Options,
    expected: Reference,
    how: PostTraining,
    about: About,
) -> Quantized | None:
    """Write the artifact, its metadata within; give the quantized twin that it was made from, if there is one."""
    row, preprocess = FORMATS[name], expected.preprocess
    model = _fed(name, model, options=options, preprocess=preprocess)
    if row.rounded and needs_calibration(model, name) and options.calibration is not None:
        fixed = INPUT_RANGE if options.pixels else {}
        quantized = quantize(model, options.calibration, how, expected, fixed=fixed, io=options.io)
        options = dataclasses.replace(options, quantized=quantized)
    row.write(model, written, options)
    if metadata.is_tflite(written):
        own = None if preprocess is None else Normalisation.of(preprocess)
        probabilities = is_probability(expected.outputs)
        metadata.pack(written, about, RAW if options.pixels else own, probabilities=probabilities)
    return options.quantized


def _fed(name: str, model: keras.Model, *, options: Options, preprocess: Preprocess | None) -> keras.Model:
    """Give the model with the input that the artifact takes."""
    if not options.pixels:
        return model
    return with_pixels(model, known(preprocess), rounded=FORMATS[name].calibrated)


def _judge(
    name: str,
    written: Path,
    quantized: Quantized | None,
    *,
    options: Options,
    expected: Reference,
    how: PostTraining,
    platforms: Platforms,
) -> Report:
    """Run the artifact and compare it with the Keras model, by the drop that a quantized one may have."""
    tolerance = FORMATS[name].tolerance
    if quantized is not None and how.max_drop is not None:
        tolerance = dataclasses.replace(tolerance, drop=how.max_drop / 100)
    asked = Asked(format=name, io=options.io, tolerance=tolerance)
    report = check_or_report(expected, written, asked, platforms=platforms)
    if quantized is None:
        return report
    return dataclasses.replace(report, layers=quantized.layers, kept_float=quantized.kept_float)
