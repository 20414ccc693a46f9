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
from kres.export.compatibility import DEFAULT, Platforms
from kres.export.formats import FORMATS, IO, Options
from kres.export.images import Images, collect
from kres.export.runtimes import CURRENT, Runtime
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
    model: keras.Model, path: str | Path, *, images: Images | None = None, labels: np.ndarray | None = None
) -> Report:
    """Write a SavedModel directory with the serving signature `serving_default`, any batch, and verify it.

    `images` and errors as in `tflite`; an existing SavedModel at `path` is replaced, any other directory refused.
    """
    return write_one("saved_model", model, path, options=Options(), images=images, labels=labels)


def tflite(
    model: keras.Model,
    path: str | Path,
    *,
    quantization: str | None = None,
    calibration: Images | None = None,
    io: str = "float32",
    images: Images | None = None,
    labels: np.ndarray | None = None,
    runtimes: Sequence[Runtime] = (CURRENT,),
    target_runtime: str | None = None,
) -> Report:
    """Write a TFLite file of batch 1 and verify it: `quantization` is None, "float16", "dynamic" or "int8".

    int8 takes its ranges from the first 256 `calibration` images, and "float32", "int8" or "uint8" as `io`, the type of
    input and output. Before the file gets its name it is run on `images` (normalised, with labels or without) against
    the Keras model in each of `runtimes`; where none are given, on the calibration images or on 32 seeded random ones.
    `target_runtime`, "2.14", rejects operators that this version of tflite-runtime does not have. Raises RejectedError
    when the format's tolerance is broken, and ValueError for arguments, images or layers that cannot be exported.
    """
    name = "float32" if quantization is None else quantization
    tflite_formats = [key for key in FORMATS if key != "saved_model"]
    if name not in tflite_formats:
        raise ValueError(f"quantization must be None or one of {tflite_formats}.{closest(name)} Received: {name!r}")
    if calibration is not None and not FORMATS[name].calibrated:
        raise ValueError(f"calibration images are for int8 alone. Received: them and quantization={quantization!r}")
    if FORMATS[name].calibrated and calibration is None:
        raise ValueError("int8 takes its ranges from images: pass calibration=images. Received: calibration=None")
    options = Options(calibration=_calibration(model, calibration), io=check_io(io, name))
    if images is None:
        images = options.calibration
    platforms = Platforms(runtimes=runtimes, target=target_runtime)
    return write_one(name, model, path, options=options, images=images, labels=labels, platforms=platforms)


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
    platforms: Platforms = DEFAULT,
) -> Report:
    """Write and verify one artifact, or raise RejectedError."""
    check_path(path, name)
    conversion.check_model(model)
    expected = reference(model, random_images(model) if images is None else images, labels)
    require_judgeable(name, expected)
    twin = conversion.float32_twin(model)
    report = deliver(name, twin, Path(path), options=options, expected=expected, platforms=platforms)
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
    runtimes: Sequence[Runtime] = (CURRENT,),
    target_runtime: str | None = None,
    started: Callable[[str], None] = lambda name: None,
) -> list[Report]:
    """Write several formats as `<directory>/<name><suffix>` and give their reports; a rejected one stops no other.

    `expected` is what `reference` gave on verification images; `started` is called with each format's name. TFLite
    files are verified in each of `runtimes`, and rejected where `target_runtime`, "2.14", lacks their operators.
    """
    platforms = Platforms(runtimes=runtimes, target=target_runtime)
    for key in formats:
        check_path(Path(directory) / f"{name}{FORMATS[check_format(key)].suffix}", key)
        if FORMATS[key].calibrated:
            check_io(io, key)
            if calibration is None:
                raise ValueError(f"{key} takes its ranges from calibration images. Received: calibration=None")
    conversion.check_model(model)
    twin = conversion.float32_twin(model)
    expected = reference(twin, random_images(twin)) if expected is None else expected
    for key in formats:
        require_judgeable(key, expected)
    images = _calibration(model, calibration)
    reports = []
    for key in formats:
        started(key)
        options = Options(calibration=images, io=io) if FORMATS[key].calibrated else Options()
        path = Path(directory) / f"{name}{FORMATS[key].suffix}"
        reports.append(deliver(key, twin, path, options=options, expected=expected, platforms=platforms))
    return reports


def random_images(model: keras.Model) -> np.ndarray:
    """Give seeded standard normal images (32, h, w, c): the range of normalised pixels, and no more than that."""
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
        raise IsADirectoryError(f"a TFLite file cannot replace a directory. Received: {path}")
    if name == "saved_model" and path.exists() and not (path / "saved_model.pb").is_file():
        raise FileExistsError(f"a SavedModel replaces a SavedModel alone. Received: {path}")


def deliver(
    name: str, model: keras.Model, path: Path, *, options: Options, expected: Reference, platforms: Platforms
) -> Report:
    """Write `path` under a temporary name, run it, and rename it to `path`, or to `<path>.rejected` with a report."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    rejected = path.with_name(f"{path.name}.rejected")
    report_path = path.with_name(f"{path.name}.rejected.json")
    try:
        written = scratch / path.name
        FORMATS[name].write(model, written, options)
        report = check_or_report(expected, written, name, platforms=platforms)
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
