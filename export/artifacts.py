"""Exports a model: artifacts that get their names when they have run and equal the Keras model."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from kres.choices import closest, listed, one_of
from kres.export.about import LABELS, About
from kres.export.choosing import check_io
from kres.export.destinations import check_path
from kres.export.extras import absent
from kres.export.formats import FORMATS
from kres.export.images import Images
from kres.export.naming import previous_name
from kres.export.post_training.quantize import PostTraining
from kres.export.preparation import Given, prepare
from kres.export.proof.reports import Reference, Report
from kres.export.request import Request, check_batch, places
from kres.export.runtimes.compatibility import Platforms
from kres.export.runtimes.interpreters import CURRENT, Runtime
from kres.preprocessing import Preprocess
from kres.quantization import is_twin
from kres.writing import folder_made, write_atomically

logger = logging.getLogger("kres")


class RejectedError(RuntimeError):
    """An artifact that broke its tolerance; `report`, which lies beside, says how and where."""

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
    pixels: bool = False,
    preprocess: Preprocess | None = None,
    about: About | None = None,
) -> Report:
    """Write a SavedModel directory and verify it: any batch, or the fixed one that is given.

    Its signature `serving_default` takes images as the model does. Where the model knows its preprocessing,
    `serving_bytes` takes the bytes (n,) of JPEG, PNG, BMP or GIF files instead. Other arguments and errors as in
    `tflite`; an existing SavedModel at `path` is replaced, any other directory refused.
    """
    request = Request(batch=check_batch(batch, "saved_model"), pixels=pixels, about=about or About())
    given = Given(model=model, images=images, labels=labels, image_size=image_size, preprocess=preprocess)
    return _write_one("saved_model", path, given, request)


def onnx(
    model: keras.Model,
    path: str | Path,
    *,
    images: Images | None = None,
    labels: np.ndarray | None = None,
    image_size: int | None = None,
    pixels: bool = False,
    preprocess: Preprocess | None = None,
    about: About | None = None,
) -> Report:
    """Write a float32 ONNX file of any batch and verify it in ONNX Runtime; takes the extra `kres[onnx]`.

    Arguments and errors as in `tflite`.
    """
    request = Request(pixels=pixels, about=about or About())
    given = Given(model=model, images=images, labels=labels, image_size=image_size, preprocess=preprocess)
    return _write_one("onnx", path, given, request)


def tflite(
    model: keras.Model,
    path: str | Path,
    *,
    quantization: str | None = None,
    calibration: Images | None = None,
    io: str = "float32",
    ranges: str = "minmax",
    percentile: float | None = None,
    equalize: bool = False,
    correct_bias: bool = False,
    keep_float: Sequence[str] = (),
    max_drop: float | None = None,
    images: Images | None = None,
    labels: np.ndarray | None = None,
    image_size: int | None = None,
    pixels: bool | None = None,
    preprocess: Preprocess | None = None,
    about: About | None = None,
    runtimes: Sequence[Runtime] = (CURRENT,),
    target_runtime: str | None = None,
) -> Report:
    """Write a TFLite file of batch 1 and verify it.

    `quantization` is None, "float16", "dynamic", "int8", "int16x8", or "weight_int8" and "weight_int4", which take the
    extra `kres[quantizer]`. int8 and int16x8 take their ranges from the first 256 `calibration` images, at least 16,
    and as `io`, the type of input and output, also "int8" and "uint8", and "int16"; a model of `quantized_twin` brings
    its own ranges. `ranges` ("minmax", "percentile" or "mse"), `percentile`, `equalize`, `correct_bias`, `keep_float`
    and `max_drop` are those of `PostTraining`, for int8; its report names what each layer loses.

    A model of any image size takes `image_size`. With `pixels`, the default of uint8, the input is raw RGB grey levels
    0..255 (1, h, w, c) and the normalisation, `preprocess` or the model's own, is in the graph. `about` is what the
    file's metadata and the JSON beside it tell.

    Before the file gets its name it is run on `images` (normalised or uint8 grey levels, with labels or without) in
    each of `runtimes`, against the Keras model; where none are given, on the calibration images or on 32 seeded random
    ones. `target_runtime`, "2.14", rejects operators that this version of tflite-runtime does not have. Of an export
    that fails, file and report stay as `<path>.rejected`, and what an earlier one wrote to `path` is kept as
    `<path>.previous` until a good one replaces both.

    Raises RejectedError when the format's tolerance is broken or `max_drop` cannot be met, MissingExtraError when an
    extra is not installed, and ValueError for arguments, images or layers that cannot be exported: for arguments
    before anything is written, for what shows in the making alone as for a tolerance that is broken.
    """
    name = "float32" if quantization is None else quantization
    tflite_formats = [key for key, row in FORMATS.items() if row.tflite]
    if name not in tflite_formats:
        told = f"quantization must be None or {one_of(tflite_formats)}.{closest(name, tflite_formats)}"
        raise ValueError(f"{told} Received: quantization={quantization!r}")
    if calibration is not None and not FORMATS[name].calibrated:
        takers = listed([key for key, row in FORMATS.items() if row.calibrated], "and")
        raise ValueError(f"calibration images are for {takers} alone. Received: them and quantization={quantization!r}")
    how = PostTraining(
        ranges=ranges,
        percentile=percentile,
        equalize=equalize,
        correct_bias=correct_bias,
        keep_float=(keep_float,) if isinstance(keep_float, str) else tuple(keep_float),
        max_drop=max_drop,
    )
    request = Request(
        io=check_io(io, [name]),
        pixels=pixels,
        how=how,
        platforms=Platforms(runtimes=runtimes, target=target_runtime),
        about=about or About(),
    )
    given = Given(
        model=model,
        calibration=calibration,
        images=images,
        labels=labels,
        image_size=image_size,
        preprocess=preprocess,
    )
    return _write_one(name, path, given, request)


def export_all(
    model: keras.Model,
    directory: str | Path,
    formats: Sequence[str],
    *,
    name: str = "model",
    expected: Reference | None = None,
    calibration: Images | None = None,
    image_size: int | None = None,
    request: Request = Request(),  # noqa: B008 (frozen)
    started: Callable[[str], None] = lambda name: None,
    finished: Callable[[Report], None] = lambda report: None,
) -> list[Report]:
    """Write several formats as `<directory>/<name><suffix>` and give their reports.

    The directory is made where it is not there, once nothing is left to refuse. A format that is rejected, or turns out
    in the making to be none for this model or its images, stops no other: its report has the reason. `expected` is what
    `reference` gave on verification images. Of the `request` each format takes what it has. As the first artifact
    passes, the class names that `about` there has are written as `labels.txt`; where it has none, what lies there is
    kept as `labels.txt.previous`. `started` is called with each format's name, `finished` with its report. Other
    arguments and errors as in `tflite`.
    """
    directory = Path(directory)
    paths = places(directory, formats, name=name)
    given = Given(model=model, expected=expected, calibration=calibration, image_size=image_size)
    prepared = prepare(given, paths, request)
    reports: list[Report] = []
    with folder_made(directory):
        for key, write in prepared.writers.items():
            started(key)
            report = write().report
            if report.passed and not any(earlier.passed for earlier in reports):
                _write_labels(directory / LABELS, prepared.about)
            reports.append(report)
            finished(report)
    return reports


def _write_labels(path: Path, about: About) -> None:
    """Write the names of the classes beside the artifacts; names that are not these artifacts' do not stay there."""
    previous = previous_name(path)
    if about.class_names is not None:
        write_atomically(path, lambda aside: aside.write_text(about.labels, encoding="utf-8"))
        previous.unlink(missing_ok=True)
    elif path.exists():
        path.replace(previous)
        logger.warning("%s: this export knows no names of classes. What lay there is kept as %s", path, previous.name)


def _write_one(name: str, path: str | Path, given: Given, request: Request) -> Report:
    """Write and verify one artifact, or raise RejectedError, or the ValueError that kept it from being made."""
    check_path(path, name)
    report, error = prepare(given, {name: Path(path)}, request).writers[name]()
    if isinstance(error, ValueError):
        raise error
    if not report.passed:
        raise RejectedError(report)
    return report


def makeable(model: keras.Model | None = None) -> tuple[list[str], dict[str, str]]:
    """Give the formats that can be made here (of `model`, where one is given), and of the others why not."""
    reasons = {name: absent(row.extra) for name, row in FORMATS.items()}
    if model is not None and is_twin(model):
        reasons |= {name: "not of a fake-quantized model" for name, row in FORMATS.items() if not row.rounded}
    return [name for name, why in reasons.items() if not why], {name: why for name, why in reasons.items() if why}
