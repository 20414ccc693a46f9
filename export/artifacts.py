"""Writes artifacts: to a temporary name, and to the final one when the file has run and equals the Keras model."""

import dataclasses
import difflib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from kres.export import conversion
from kres.export.comparison import Reference, Report
from kres.export.extras import absent, require
from kres.export.formats import FORMATS, Options
from kres.export.images import Images, collect
from kres.export.verification import check_or_report, reference, require_judgeable
from kres.writing import move

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
    batch: int | None = None,
    images: Images | None = None,
    labels: np.ndarray | None = None,
    image_size: int | None = None,
) -> Report:
    """Write a SavedModel directory and verify it: any batch, or the fixed one that is given.

    Its signature `serving_default` takes images as the model does. Where the model knows its preprocessing,
    `serving_bytes` takes the bytes (n,) of JPEG, PNG, BMP or GIF files instead. `images`, `image_size` and errors as in
    `tflite`; an existing SavedModel at `path` is replaced, any other directory refused.
    """
    options = Options(batch=check_batch(batch, "saved_model"))
    return write_one("saved_model", model, path, options=options, images=images, labels=labels, image_size=image_size)


def onnx(
    model: keras.Model,
    path: str | Path,
    *,
    images: Images | None = None,
    labels: np.ndarray | None = None,
    image_size: int | None = None,
) -> Report:
    """Write a float32 ONNX file of any batch and verify it in ONNX Runtime; takes the extra `kres[onnx]`.

    `images`, `image_size` and errors as in `tflite`.
    """
    return write_one("onnx", model, path, options=Options(), images=images, labels=labels, image_size=image_size)


def tflite(
    model: keras.Model,
    path: str | Path,
    *,
    quantization: str | None = None,
    calibration: Images | None = None,
    io: str = "float32",
    images: Images | None = None,
    labels: np.ndarray | None = None,
    image_size: int | None = None,
) -> Report:
    """Write a TFLite file of batch 1 and verify it.

    `quantization` is None, "float16", "dynamic", "int8", "int16x8", or "weight_int8" and "weight_int4", which take the
    extra `kres[quantizer]`. int8 and int16x8 take their ranges from the first 256 `calibration` images, and as `io`,
    the type of input and output, also "int8" and "uint8", and "int16". A model of any image size takes `image_size`.
    Before the file gets its name it is run on `images` (normalised, with labels or without) against the Keras model;
    where none are given, on the calibration images or on 32 seeded random ones. Raises RejectedError when the format's
    tolerance is broken, MissingExtraError when an extra is not installed, and ValueError for arguments, images or
    layers that cannot be exported.
    """
    name = "float32" if quantization is None else quantization
    tflite_formats = [key for key in FORMATS if key not in ("saved_model", "onnx")]
    if name not in tflite_formats:
        raise ValueError(f"quantization must be None or one of {tflite_formats}.{closest(name)} Received: {name!r}")
    if calibration is not None and not FORMATS[name].calibrated:
        takers = " and ".join(key for key, row in FORMATS.items() if row.calibrated)
        raise ValueError(f"calibration images are for {takers} alone. Received: them and quantization={quantization!r}")
    if FORMATS[name].calibrated and calibration is None:
        raise ValueError(f"{name} takes its ranges from images: pass calibration=images. Received: calibration=None")
    model = conversion.sized(model, image_size)
    options = Options(calibration=_calibration(model, calibration), io=check_io(io, name))
    if images is None:
        images = options.calibration
    return write_one(name, model, path, options=options, images=images, labels=labels)


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
    if io not in FORMATS[name].io:
        raise ValueError(f"io must be one of {FORMATS[name].io} for {name}. Received: {io!r}")
    return io


def check_batch(batch: int | None, name: str) -> int | None:
    """Give a fixed batch back, or raise ValueError where it is none, or the format has a batch of its own."""
    if batch is not None and (name != "saved_model" or batch < 1):
        raise ValueError(f"batch must be at least 1, and is for saved_model alone. Received: {batch} for {name}")
    return batch


def options_for(names: Sequence[str], *, io: str, batch: int | None) -> dict[str, Options]:
    """Give each format's options; raises ValueError for a type or a batch that none of them takes."""
    takers = {name for name in names if io in FORMATS[name].io}
    if not takers:
        allowed = sorted({each for name in names for each in FORMATS[name].io})
        raise ValueError(f"io must be one of {allowed} for these formats. Received: {io!r}")
    if batch is not None:
        check_batch(batch, "saved_model" if "saved_model" in names else names[0])
    return {
        name: Options(io=io if name in takers else "float32", batch=batch if name == "saved_model" else None)
        for name in names
    }


def write_one(
    name: str,
    model: keras.Model,
    path: str | Path,
    *,
    options: Options,
    images: Images | None,
    labels: np.ndarray | None,
    image_size: int | None = None,
) -> Report:
    """Write and verify one artifact, or raise RejectedError."""
    check_path(path, name)
    require(FORMATS[name].extra, what=name)
    model = conversion.sized(model, image_size)
    conversion.check_model(model)
    twin = conversion.float32_twin(model)
    expected = reference(twin, random_images(twin) if images is None else images, labels)
    require_judgeable(name, expected)
    report = deliver(name, conversion.folded(twin), Path(path), options=options, expected=expected)
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
    batch: int | None = None,
    image_size: int | None = None,
    started: Callable[[str], None] = lambda name: None,
    finished: Callable[[Report], None] = lambda report: None,
) -> list[Report]:
    """Write several formats as `<directory>/<name><suffix>` and give their reports.

    One that is rejected, or does not have an operator of the model, stops no other.

    `expected` is what `reference` gave on verification images. `io` and `batch` go to the formats that take them.
    `started` is called with each format's name, `finished` with its report.
    """
    for key in formats:
        check_path(Path(directory) / f"{name}{FORMATS[check_format(key)].suffix}", key)
        require(FORMATS[key].extra, what=key)
        if FORMATS[key].calibrated and calibration is None:
            raise ValueError(f"{key} takes its ranges from calibration images. Received: calibration=None")
    options = options_for(formats, io=io, batch=batch)
    model = conversion.sized(model, image_size)
    conversion.check_model(model)
    twin = conversion.float32_twin(model)
    expected = reference(twin, random_images(twin)) if expected is None else expected
    for key in formats:
        require_judgeable(key, expected)
    images = _calibration(twin, calibration)
    folded = conversion.folded(twin)
    reports = []
    for key in formats:
        started(key)
        chosen = dataclasses.replace(options[key], calibration=images if FORMATS[key].calibrated else None)
        path = Path(directory) / f"{name}{FORMATS[key].suffix}"
        try:
            report = deliver(key, folded, path, options=chosen, expected=expected)
        except ValueError as error:  # an operator that this format does not have
            row, n = FORMATS[key].tolerance, len(expected.images)
            reason = str(error)
            report = Report(path=str(path), format=key, n=n, passed=False, reason=reason, tolerance=row, size_bytes=0)
        reports.append(report)
        finished(report)
    return reports


def makeable() -> tuple[list[str], dict[str, str]]:
    """Give the formats that can be made here, and of the others why not."""
    reasons = {name: absent(row.extra) for name, row in FORMATS.items()}
    return [name for name, why in reasons.items() if not why], {name: why for name, why in reasons.items() if why}


def random_images(model: keras.Model) -> np.ndarray:
    """Give seeded standard normal images (32, h, w, c): the range of normalised pixels, and no more than that.

    Raises ValueError for a model that `conversion.check_model` refuses.
    """
    conversion.check_model(model)
    shape = (RANDOM_IMAGES, *model.inputs[0].shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _calibration(model: keras.Model, images: Images | None) -> np.ndarray | None:
    if images is None:
        return None
    conversion.check_model(model)
    return collect(images, tuple(model.inputs[0].shape[1:]), limit=CALIBRATION_IMAGES)[0]


def check_path(path: str | Path, name: str) -> None:
    """Raise an OSError before the long work when `path` cannot be written, or holds what no export may replace."""
    path = Path(path)
    if not path.parent.is_dir():
        raise NotADirectoryError(f"an artifact needs an existing directory. Received: {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"an artifact needs a directory that can be written. Received: {path.parent}")
    if name != "saved_model" and path.is_dir():
        raise IsADirectoryError(f"a file cannot replace a directory. Received: {path}")
    if name == "saved_model" and path.exists() and not (path / "saved_model.pb").is_file():
        raise FileExistsError(f"a SavedModel replaces a SavedModel alone. Received: {path}")


def deliver(name: str, model: keras.Model, path: Path, *, options: Options, expected: Reference) -> Report:
    """Write `path` under a temporary name, run it, and rename it to `path`, or to `<path>.rejected` with a report."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    rejected = path.with_name(f"{path.name}.rejected")
    report_path = path.with_name(f"{path.name}.rejected.json")
    try:
        written = scratch / path.name
        FORMATS[name].write(model, written, options)
        report = check_or_report(expected, written, name)
        if report.passed:
            move(written, path)
            for leftover in (rejected, report_path):
                remove(leftover)
            return dataclasses.replace(report, path=str(path))
        move(written, rejected)
        report = dataclasses.replace(report, path=str(rejected))
        (scratch / "report").write_text(json.dumps(dataclasses.asdict(report), indent=2) + "\n")
        os.replace(scratch / "report", report_path)
        return report
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file or a directory where there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
