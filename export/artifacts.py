"""Exports a model: artifacts that get their names when they have run and equal the Keras model."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from kres.export.about import LABELS, About
from kres.export.conversion import models
from kres.export.conversion.converter import UnsupportedError
from kres.export.conversion.pixels import known, preprocess_of, to_pixels
from kres.export.delivery import deliver
from kres.export.extras import absent, require
from kres.export.formats import FORMATS
from kres.export.images import Images, collect
from kres.export.post_training.calibration import PERCENTILE
from kres.export.post_training.quantize import PostTraining
from kres.export.post_training.representative import check_representative
from kres.export.proof.reports import Reference, Report
from kres.export.proof.verification import reference, require_judgeable, unmeasured
from kres.export.request import (
    Request,
    check_batch,
    check_format,
    check_io,
    check_path,
    closest,
    needs_calibration,
    options_for,
)
from kres.export.runtimes.compatibility import Platforms
from kres.export.runtimes.interpreters import CURRENT, Runtime
from kres.preprocessing import Preprocess
from kres.quantization import is_twin
from kres.writing import write_atomically

CALIBRATION_IMAGES = 256
RANDOM_IMAGES = 32


class RejectedError(RuntimeError):
    """An artifact that broke its tolerance; `report` says how, and the file stays beside as `<name>.rejected`."""

    def __init__(self, report: Report) -> None:
        where = f". It stays as {report.path}" if Path(report.path).exists() else ""
        super().__init__(f"the artifact was rejected: {report.reason}{where}")
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
    return _write_one(
        "saved_model", path, model, request, images=images, labels=labels, image_size=image_size, preprocess=preprocess
    )


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
    return _write_one(
        "onnx", path, model, request, images=images, labels=labels, image_size=image_size, preprocess=preprocess
    )


def tflite(
    model: keras.Model,
    path: str | Path,
    *,
    quantization: str | None = None,
    calibration: Images | None = None,
    io: str = "float32",
    ranges: str = "minmax",
    percentile: float = PERCENTILE,
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
    ones. `target_runtime`, "2.14", rejects operators that this version of tflite-runtime does not have.

    Raises RejectedError when the format's tolerance is broken or `max_drop` cannot be met, MissingExtraError when an
    extra is not installed, and ValueError for arguments, images or layers that cannot be exported.
    """
    name = "float32" if quantization is None else quantization
    tflite_formats = [key for key in FORMATS if key not in ("saved_model", "onnx")]
    if name not in tflite_formats:
        raise ValueError(f"quantization must be None or one of {tflite_formats}.{closest(name)} Received: {name!r}")
    if calibration is not None and not FORMATS[name].calibrated:
        takers = " and ".join(key for key, row in FORMATS.items() if row.calibrated)
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
        io=check_io(io, name),
        pixels=pixels,
        how=how,
        platforms=Platforms(runtimes=runtimes, target=target_runtime),
        about=about or About(),
    )
    return _write_one(
        name,
        path,
        model,
        request,
        calibration=calibration,
        images=images,
        labels=labels,
        image_size=image_size,
        preprocess=preprocess,
    )


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

    One that is rejected, or does not have an operator of the model, stops no other. `expected` is what `reference` gave
    on verification images. Of the `request` each format takes what it has. Where `about` there has class names they are
    written as `labels.txt` too. `started` is called with each format's name, `finished` with its report. Other
    arguments and errors as in `tflite`.
    """
    paths = {key: Path(directory) / f"{name}{FORMATS[check_format(key)].suffix}" for key in formats}

    expected, writers, about = _prepared(
        model, paths, request, expected=expected, calibration=calibration, image_size=image_size
    )
    reports = []
    for key, write in writers.items():
        started(key)
        try:
            report = write()
        except UnsupportedError as error:
            report = unmeasured(len(expected.images), paths[key], key, reason=str(error))
        reports.append(report)
        finished(report)
    if about.class_names is not None and any(report.passed for report in reports):
        write_atomically(Path(directory) / LABELS, lambda aside: aside.write_text(about.labels, encoding="utf-8"))
    return reports


def _write_one(
    name: str,
    path: str | Path,
    model: keras.Model,
    request: Request,
    *,
    calibration: Images | None = None,
    images: Images | None,
    labels: np.ndarray | None,
    image_size: int | None,
    preprocess: Preprocess | None,
) -> Report:
    """Write and verify one artifact, or raise RejectedError."""
    _, writers, _ = _prepared(
        model,
        {name: Path(path)},
        request,
        calibration=calibration,
        images=images,
        labels=labels,
        image_size=image_size,
        preprocess=preprocess,
    )
    report = writers[name]()
    if not report.passed:
        raise RejectedError(report)
    return report


def _prepared(
    model: keras.Model,
    paths: Mapping[str, Path],
    request: Request,
    *,
    expected: Reference | None = None,
    calibration: Images | None = None,
    images: Images | None = None,
    labels: np.ndarray | None = None,
    image_size: int | None = None,
    preprocess: Preprocess | None = None,
) -> tuple[Reference, dict[str, Callable[[], Report]], About]:
    """Refuse what can be refused; give what the model answers, what writes each format, and what the files tell."""
    for name, path in paths.items():
        check_path(path, name)
        require(FORMATS[name].extra, what=name)
        if needs_calibration(model, name) and calibration is None:
            raise ValueError(
                f"{name} takes its ranges from images: pass calibration=images. Received: calibration=None"
            )
    options = options_for(list(paths), request)
    if request.how != PostTraining() and is_twin(model):
        raise ValueError(
            "ranges and what goes with them are for int8 of a float model. "
            f"Received: them and the fake-quantized {model.name!r}"
        )
    model = models.sized(model, image_size)
    models.check_model(model)
    about = request.about.of(model)
    preprocess = (preprocess or preprocess_of(model)) if expected is None else expected.preprocess
    raw = any(each.pixels for each in options.values())
    if raw:
        known(preprocess)
    twin = models.float32_twin(model)
    calibrated = any(needs_calibration(model, name) for name in paths)
    chosen = _calibration(twin, calibration, preprocess) if calibrated and calibration is not None else None
    if expected is None:
        if images is None:
            images = random_images(twin, preprocess) if chosen is None else chosen
        expected = reference(twin, images, labels, preprocess=preprocess)
    for name in paths:
        require_judgeable(name, expected)
    if request.how.max_drop is not None and (expected.others or expected.outputs.ndim != 2):
        raise ValueError(f"max_drop is of top-1, which takes one score a class. Received: {expected.outputs.shape}")
    if raw:
        to_pixels(expected.images, known(preprocess))
    folded = models.without_norms(twin)

    def writer(name: str, expected: Reference) -> Callable[[], Report]:
        calibration = chosen if needs_calibration(model, name) else None
        return lambda: deliver(
            name,
            folded,
            paths[name],
            options=dataclasses.replace(options[name], calibration=calibration, preprocess=preprocess),
            expected=expected,
            how=request.how,
            platforms=request.platforms,
            about=about,
        )

    return expected, {name: writer(name, expected) for name in paths}, about


def makeable(model: keras.Model | None = None) -> tuple[list[str], dict[str, str]]:
    """Give the formats that can be made here (of `model`, where one is given), and of the others why not."""
    reasons = {name: absent(row.extra) for name, row in FORMATS.items()}
    if model is not None and is_twin(model):
        reasons |= {name: "not of a fake-quantized model" for name, row in FORMATS.items() if not row.rounded}
    return [name for name, why in reasons.items() if not why], {name: why for name, why in reasons.items() if why}


def random_images(model: keras.Model, preprocess: Preprocess | None = None) -> np.ndarray:
    """Give seeded random images (32, h, w, c): grey levels that `preprocess` normalised, or standard normal values.

    Raises ValueError for a model that `models.check_model` refuses.
    """
    models.check_model(model)
    shape = (RANDOM_IMAGES, *model.inputs[0].shape[1:])
    rng = np.random.default_rng(0)
    if preprocess is None:
        return rng.normal(size=shape).astype(np.float32)
    return keras.ops.convert_to_numpy(preprocess(rng.integers(0, 256, shape, np.uint8)))


def _calibration(model: keras.Model, images: Images, preprocess: Preprocess | None) -> np.ndarray:
    shape = tuple(model.inputs[0].shape[1:])
    found, _ = collect(images, shape, limit=CALIBRATION_IMAGES, preprocess=preprocess)
    check_representative(found, model)
    return found
