"""Writes one artifact to a temporary name, and to the final one when the file has run and equals the Keras model."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import keras

from kres.choices import listed
from kres.export import sidecar
from kres.export.about import About
from kres.export.conversion.pixels import INPUT_RANGE, known, with_pixels
from kres.export.files import metadata
from kres.export.files.normalisation import RAW, Normalisation
from kres.export.formats import FORMATS, Options, Tolerance
from kres.export.losses import Quantized
from kres.export.naming import rejected_name
from kres.export.placing import accept, reject
from kres.export.post_training.quantize import Goal, PostTraining, check_layers, quantize
from kres.export.proof.comparison import is_probability
from kres.export.proof.reports import Reference, Report
from kres.export.proof.verification import Asked, check_or_report, unmeasured
from kres.export.request import needs_calibration
from kres.export.runtimes.compatibility import Platforms
from kres.preprocessing import Preprocess
from kres.writing import scratch_beside


class Delivery(NamedTuple):
    """What became of an artifact, and why it could not even be made, where that is so."""

    report: Report
    error: ValueError | None = None


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
    made, as model or images are none that the format can take, leaves a report alone.
    """
    with scratch_beside(path) as scratch:
        written = scratch / path.name

        def finish(report: Report, made: Path | None) -> Report:
            place = path if report.passed else rejected_name(path)
            report = dataclasses.replace(report, path=None if made is None else str(place))
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

        asked = Asked(format=name, io=options.io, tolerance=_tolerance(name, how))
        try:
            quantized = _write(asked, model, written, options=options, expected=expected, how=how, about=about)
        except ValueError as error:
            unmade = unmeasured(len(expected.images), None, asked, reason=str(error))
            return Delivery(finish(unmade, None), error)
        asked = dataclasses.replace(asked, advice=_advice(name, model, how, quantized))
        report = check_or_report(expected, written, asked, platforms=platforms)
        return Delivery(finish(_with_losses(report, quantized), written))


def check_quantizable(
    name: str, model: keras.Model, *, options: Options, preprocess: Preprocess | None, how: PostTraining
) -> None:
    """Raise ValueError for what quantization of this model would refuse, whatever the images are."""
    if FORMATS[name].calibrated and FORMATS[name].rounded:
        check_layers(_fed(name, model, options=options, preprocess=preprocess), how, options.io)


def _write(
    asked: Asked,
    model: keras.Model,
    written: Path,
    *,
    options: Options,
    expected: Reference,
    how: PostTraining,
    about: About,
) -> Quantized | None:
    """Write the artifact, its metadata within; give the quantized twin that it was made from, if there is one."""
    name, row, preprocess = asked.format, FORMATS[asked.format], expected.preprocess
    model = _fed(name, model, options=options, preprocess=preprocess)
    if row.rounded and needs_calibration(model, name) and options.calibration is not None:
        fixed = INPUT_RANGE if options.pixels else {}
        goal = None if how.max_drop is None else Goal(expected, asked.tolerance)
        quantized = quantize(model, options.calibration, how, goal, fixed=fixed, io=options.io)
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


def _tolerance(name: str, how: PostTraining) -> Tolerance:
    """Give a format's bounds, with the drop that was asked for where `how` is about it."""
    row = FORMATS[name]
    return row.tolerance.allowing(how.max_drop) if row.calibrated and row.rounded else row.tolerance


def _advice(name: str, model: keras.Model, how: PostTraining, quantized: Quantized | None) -> str:
    """Say what may help a file that loses too much; where layers were tried in float32, that is told first.

    What was asked for already is left out, and a fake-quantized twin, whose int8 needs no images, takes none of it.
    """
    row = FORMATS[name]
    if row.calibrated and not needs_calibration(model, name):
        return ""
    left = [
        words
        for words, field in row.remedies.items()
        if field is None or getattr(how, field) == getattr(PostTraining(), field)
    ]
    tried = "" if quantized is None else quantized.shortfall
    return ". ".join(filter(None, (tried, f"Try {listed(left)}" if left else "")))


def _with_losses(report: Report, quantized: Quantized | None) -> Report:
    """Add what quantization lost in each layer."""
    if quantized is None:
        return report
    return dataclasses.replace(report, layers=quantized.layers, kept_float=quantized.kept_float)
