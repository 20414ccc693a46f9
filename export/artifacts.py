"""Writes artifacts: to a temporary name, and to the final one when the file has run and equals the Keras model."""

import dataclasses
import difflib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from kres.export import conversion, metadata, sidecar
from kres.export.about import LABELS, About
from kres.export.comparison import Reference, Report, is_probability
from kres.export.formats import FORMATS, IO, Options
from kres.export.images import Images, collect
from kres.export.normalisation import RAW, Normalisation
from kres.export.pixels import chosen, known, pinned, preprocess_of, to_pixels, with_pixels
from kres.export.verification import check_or_report, reference, require_judgeable
from kres.preprocessing import Preprocess
from kres.writing import move, write_atomically

CALIBRATION_IMAGES = 256
RANDOM_IMAGES = 32


class RejectedError(RuntimeError):
    """An artifact that broke its tolerance; `report` says how, and the file stays beside as `<name>.rejected`."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"the artifact was rejected: {report.reason}. It stays as {report.path}")
        self.report = report


def saved_model(
    model: keras.Model,
    path: str | Path,
    *,
    images: Images | None = None,
    labels: np.ndarray | None = None,
    pixels: bool = False,
    preprocess: Preprocess | None = None,
    about: About | None = None,
) -> Report:
    """Write a SavedModel directory with the serving signature `serving_default`, any batch, and verify it.

    Arguments and errors as in `tflite`; an existing SavedModel at `path` is replaced, any other directory refused.
    """
    return write_one(
        "saved_model",
        model,
        path,
        options=Options(pixels=pixels),
        images=images,
        labels=labels,
        preprocess=preprocess,
        about=about,
    )


def tflite(
    model: keras.Model,
    path: str | Path,
    *,
    quantization: str | None = None,
    calibration: Images | None = None,
    io: str = "float32",
    images: Images | None = None,
    labels: np.ndarray | None = None,
    pixels: bool | None = None,
    preprocess: Preprocess | None = None,
    about: About | None = None,
) -> Report:
    """Write a TFLite file of batch 1 and verify it: `quantization` is None, "float16", "dynamic" or "int8".

    int8 takes its ranges from the first 256 `calibration` images, and "float32", "int8" or "uint8" as `io`, the type of
    input and output. With `pixels`, the default of uint8, the input is raw RGB grey levels 0..255 (1, h, w, c) and the
    normalisation, `preprocess` or the model's own, is in the graph. `about` is what the file's metadata and the JSON
    beside it tell. Before the file gets its name it is run on `images` (normalised or uint8 grey levels, with labels or
    without) against the Keras model; where none are given, on the calibration images or on 32 seeded random ones.
    Raises RejectedError when the format's tolerance is broken, and ValueError for arguments, images or layers that
    cannot be exported.
    """
    name = "float32" if quantization is None else quantization
    tflite_formats = [key for key in FORMATS if key != "saved_model"]
    if name not in tflite_formats:
        raise ValueError(f"quantization must be None or one of {tflite_formats}.{closest(name)} Received: {name!r}")
    if calibration is not None and not FORMATS[name].calibrated:
        raise ValueError(f"calibration images are for int8 alone. Received: them and quantization={quantization!r}")
    if FORMATS[name].calibrated and calibration is None:
        raise ValueError("int8 takes its ranges from images: pass calibration=images. Received: calibration=None")
    options = Options(
        calibration=_calibration(model, calibration, preprocess),
        io=check_io(io, name),
        pixels=chosen(pixels, io),
    )
    if images is None:
        images = options.calibration
    return write_one(
        name, model, path, options=options, images=images, labels=labels, preprocess=preprocess, about=about
    )


def check_format(name: str) -> str:
    """Give a format's name back, or raise ValueError that names the closest one."""
    if name not in FORMATS:
        raise ValueError(f"format must be one of {list(FORMATS)}.{closest(name)} Received: {name!r}")
    return name


def closest(name: str) -> str:
    """Give the words that offer the format closest to a misspelled one, or none."""
    found = difflib.get_close_matches(name, FORMATS, n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def check_io(io: str, name: str) -> str:
    """Give the type of input and output back, or raise ValueError where the format does not have it."""
    if io not in IO or (io != "float32" and not FORMATS[name].calibrated):
        raise ValueError(f"io must be one of {IO}, and float32 for all formats but int8. Received: {io!r} for {name}")
    return io


def write_one(
    name: str,
    model: keras.Model,
    path: str | Path,
    *,
    options: Options,
    images: Images | None,
    labels: np.ndarray | None,
    preprocess: Preprocess | None,
    about: About | None,
) -> Report:
    """Write and verify one artifact, or raise RejectedError."""
    check_path(path, name)
    conversion.check_model(model)
    about = (about or About()).of(model)
    preprocess = preprocess or preprocess_of(model)
    if options.pixels:
        known(preprocess)
    images = random_images(model, preprocess) if images is None else images
    expected = reference(model, images, labels, preprocess=preprocess)
    require_judgeable(name, expected)
    if options.pixels:  # before the long work
        to_pixels(expected.images, known(preprocess))
    twin = conversion.float32_twin(model)
    report = deliver(name, twin, Path(path), options=options, expected=expected, about=about)
    if not report.passed:
        raise RejectedError(report)
    return report


def export_all(
    model: keras.Model,
    directory: str | Path,
    formats: Sequence[str],
    *,
    name: str = "model",
    expected: Reference | None = None,
    calibration: Images | None = None,
    io: str = "float32",
    pixels: bool | None = None,
    about: About | None = None,
    started: Callable[[str], None] = lambda name: None,
) -> list[Report]:
    """Write several formats as `<directory>/<name><suffix>` and give their reports; a rejected one stops no other.

    `expected` is what `reference` gave on verification images; `started` is called with each format's name. Where
    `about` has class names they are written as `labels.txt` too. Other arguments and errors as in `tflite`.
    """
    for key in formats:
        check_path(Path(directory) / f"{name}{FORMATS[check_format(key)].suffix}", key)
        if FORMATS[key].calibrated:
            check_io(io, key)
            if calibration is None:
                raise ValueError(f"{key} takes its ranges from calibration images. Received: calibration=None")
    conversion.check_model(model)
    about = (about or About()).of(model)
    types = {key: io if FORMATS[key].calibrated else "float32" for key in formats}
    raw = {key: chosen(pixels, types[key]) for key in formats}
    preprocess = preprocess_of(model) if expected is None else expected.preprocess
    if any(raw.values()):
        known(preprocess)
    twin = conversion.float32_twin(model)
    expected = reference(twin, random_images(twin, preprocess)) if expected is None else expected
    for key in formats:
        require_judgeable(key, expected)
    images = _calibration(model, calibration, preprocess)
    if any(raw.values()):  # before the long work
        to_pixels(expected.images, known(preprocess))
    reports = []
    for key in formats:
        started(key)
        options = Options(calibration=images if FORMATS[key].calibrated else None, io=types[key], pixels=raw[key])
        path = Path(directory) / f"{name}{FORMATS[key].suffix}"
        reports.append(deliver(key, twin, path, options=options, expected=expected, about=about))
    if about.class_names is not None and any(report.passed for report in reports):
        write_atomically(Path(directory) / LABELS, lambda aside: aside.write_text(about.labels, encoding="utf-8"))
    return reports


def random_images(model: keras.Model, preprocess: Preprocess | None = None) -> np.ndarray:
    """Give seeded random images (32, h, w, c): grey levels that `preprocess` normalised, or standard normal values."""
    shape = (RANDOM_IMAGES, *model.inputs[0].shape[1:])
    rng = np.random.default_rng(0)
    if preprocess is None:
        return rng.normal(size=shape).astype(np.float32)
    return keras.ops.convert_to_numpy(preprocess(rng.integers(0, 256, shape, np.uint8)))


def _calibration(model: keras.Model, images: Images | None, preprocess: Preprocess | None = None) -> np.ndarray | None:
    if images is None:
        return None
    conversion.check_model(model)
    shape = tuple(model.inputs[0].shape[1:])
    return collect(images, shape, limit=CALIBRATION_IMAGES, preprocess=preprocess or preprocess_of(model))[0]


def check_path(path: str | Path, name: str) -> None:
    """Raise an OSError before the long work when `path` cannot be written, or holds what no export may replace."""
    path = Path(path)
    if not path.parent.is_dir():
        raise NotADirectoryError(f"an artifact needs an existing directory. Received: {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"an artifact needs a directory that can be written. Received: {path.parent}")
    if name != "saved_model" and path.is_dir():
        raise IsADirectoryError(f"a TFLite file cannot replace a directory. Received: {path}")
    if name == "saved_model" and path.exists() and not (path / "saved_model.pb").is_file():
        raise FileExistsError(f"a SavedModel replaces a SavedModel alone. Received: {path}")


def deliver(
    name: str, model: keras.Model, path: Path, *, options: Options, expected: Reference, about: About
) -> Report:
    """Write `path` under a temporary name, run it, and rename it to `path`, or to `<path>.rejected` with a report."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    rejected = path.with_name(f"{path.name}.rejected")
    try:
        written = scratch / path.name
        normalisation = None if expected.preprocess is None else Normalisation.of(expected.preprocess)
        if options.pixels:
            preprocess, normalisation = known(expected.preprocess), RAW
            model, images = with_pixels(model, preprocess), options.calibration
            pixels = None if images is None else pinned(to_pixels(images, preprocess))
            options = dataclasses.replace(options, calibration=pixels)
        probabilities = is_probability(expected.outputs)
        FORMATS[name].write(model, written, options)
        if metadata.is_tflite(written):
            metadata.pack(written, about, normalisation, probabilities=probabilities)
        report = check_or_report(expected, written, name, pixels=options.pixels)
        if report.passed:
            report = dataclasses.replace(report, path=str(path))
            facts = sidecar.describe(written, report, about, normalisation, probabilities=probabilities)
            aside = sidecar.write(facts, scratch)
            # Whatever ends this between two steps, no sidecar stands beside an artifact that it does not describe.
            remove(sidecar.path_of(path))
            move(written, path)
            os.replace(aside, sidecar.path_of(path))
            for leftover in (rejected, sidecar.path_of(rejected)):
                remove(leftover)
            return report
        move(written, rejected)
        report = dataclasses.replace(report, path=str(rejected))
        os.replace(sidecar.write(dataclasses.asdict(report), scratch), sidecar.path_of(rejected))
        return report
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file or a directory where there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
