"""From a model and images to what writes its artifacts: what can be refused is refused here, before the long work."""

import dataclasses
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

from kres.choices import listed
from kres.export.about import About
from kres.export.conversion import models
from kres.export.conversion.pixels import known, pinned, preprocess_of, to_pixels
from kres.export.defaults import CALIBRATION_IMAGES
from kres.export.delivery import Delivery, check_quantizable, deliver
from kres.export.extras import require
from kres.export.formats import FORMATS, Options
from kres.export.images import Images, collect
from kres.export.post_training.representative import check_representative
from kres.export.proof.reports import Reference
from kres.export.proof.running import interpreter_threads
from kres.export.proof.verification import as_pixels, reference, require_judgeable
from kres.export.request import Request, needs_calibration, options_for
from kres.export.runtimes.compatibility import DEFAULT
from kres.preprocessing import Preprocess
from kres.quantization import is_twin

logger = logging.getLogger("kres")

RANDOM_IMAGES = 32


@dataclass(frozen=True, kw_only=True)
class Given:
    """A model and what goes with it, as a caller gave them: images to verify on, or what the model answers on some."""

    model: keras.Model
    image_size: int | None = None
    calibration: Images | None = None
    images: Images | None = None
    labels: np.ndarray | None = None
    preprocess: Preprocess | None = None
    expected: Reference | None = None


@dataclass(frozen=True)
class Prepared:
    """What writes and verifies each format, what they are compared with, and what the files tell."""

    writers: dict[str, Callable[[], Delivery]]
    expected: Reference
    about: About


@dataclass(frozen=True)
class _Evidence:
    """Images to verify on, and those to calibrate on where there are any, in the form that an artifact takes them."""

    expected: Reference
    calibration: np.ndarray | None
    shared: bool = False
    """Whether the images to verify on are those to calibrate on, for want of others."""

    def in_pixels(self) -> "_Evidence":
        """The same as grey levels; raises ValueError where they are none."""
        calibration = self.calibration
        if calibration is not None:
            calibration = pinned(to_pixels(calibration, known(self.expected.preprocess)))
        return _Evidence(as_pixels(self.expected), calibration, self.shared)


def prepare(given: Given, paths: Mapping[str, Path], request: Request) -> Prepared:
    """Make ready to write `given.model` to a path a format, or raise as `tflite` says."""
    options = _options(given, paths, request)
    interpreter_threads()  # an environment that says nonsense is told of now, and not of the first file
    model = models.sized(given.model, given.image_size)
    models.check_model(model)
    about = request.about.of(model)
    twin = models.float32_twin(model)
    raw = any(each.pixels for each in options.values())
    evidence = _evidence(twin, given, calibrated=any(needs_calibration(model, name) for name in paths), raw=raw)
    expected = evidence.expected
    for name in paths:
        require_judgeable(name, expected, calibrated=evidence.shared)
    _check_max_drop(request.how.max_drop, expected)
    # Once for all formats: the verification images are many.
    pixels = evidence.in_pixels() if raw else evidence
    folded = models.without_norms(twin)
    for name in paths:
        check_quantizable(name, folded, options=options[name], preprocess=expected.preprocess, how=request.how)

    def writer(name: str) -> Callable[[], Delivery]:
        own = pixels if options[name].pixels else evidence
        return partial(
            deliver,
            name,
            folded,
            paths[name],
            options=dataclasses.replace(
                options[name],
                calibration=own.calibration if needs_calibration(model, name) else None,
                preprocess=expected.preprocess,
            ),
            expected=own.expected,
            how=request.how,
            platforms=request.platforms or DEFAULT,
            about=about,
        )

    return Prepared({name: writer(name) for name in paths}, expected, about)


def _options(given: Given, names: Collection[str], request: Request) -> dict[str, Options]:
    """Give each format's options, or refuse what can be seen without the model's answers."""
    model = given.model
    for name in names:
        require(FORMATS[name].extra, what=name)
        if needs_calibration(model, name) and given.calibration is None:
            raise ValueError(
                f"{name} takes its ranges from images: pass calibration=images. Received: calibration=None"
            )
    options = options_for(list(names), request)
    if (asked := request.how.given()) and is_twin(model):
        raise ValueError(
            f"{listed(asked, 'and')} {'is' if len(asked) == 1 else 'are'} for int8 of a float model. "
            f"Received: the fake-quantized {model.name!r}"
        )
    return options


def _check_max_drop(max_drop: float | None, expected: Reference) -> None:
    if max_drop is not None and (expected.others or expected.outputs.ndim != 2):
        shapes = ", ".join(str(output.shape) for output in (expected.outputs, *expected.others))
        raise ValueError(
            "max_drop is of top-1, which takes one output of one score a class. "
            f"Received: max_drop={max_drop:g} and outputs of shape {shapes}"
        )


def _evidence(model: keras.Model, given: Given, *, calibrated: bool, raw: bool) -> _Evidence:
    """Gather images to calibrate on, where a format is `calibrated`, and what the model answers on those to verify on.

    Where a format takes `raw` pixels, the preprocessing must be known.
    """
    own = given.preprocess or preprocess_of(model)
    preprocess = own if given.expected is None else given.expected.preprocess
    if raw:
        known(preprocess)
    calibration = None
    if calibrated and given.calibration is not None:
        shape = tuple(model.inputs[0].shape[1:])
        calibration, _ = collect(given.calibration, shape, limit=CALIBRATION_IMAGES, preprocess=preprocess)
        check_representative(calibration, model)
    if given.expected is not None:
        return _Evidence(given.expected, calibration)
    shared = given.images is None and calibration is not None
    if given.images is not None:
        images = given.images
    elif calibration is not None:
        logger.info("the proof is on the images that ranges are taken from: images= gives it held-out ones")
        images = calibration
    else:
        images = random_images(model, preprocess)
    return _Evidence(reference(model, images, given.labels, preprocess=preprocess), calibration, shared)


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
