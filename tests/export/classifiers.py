"""A small classifier written as files of each kind of input, for tests of what an application does with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kres.export.about import About
from kres.export.conversion.pixels import INPUT_RANGE, with_pixels
from kres.export.files.metadata import pack
from kres.export.files.normalisation import RAW
from kres.export.formats import FORMATS, Options
from kres.preprocessing import Preprocess
from tests.export.calibrated import calibrated

SIZE = 12
LABELS = ("ant", "bee & co", "<crab>")


@dataclass(frozen=True)
class Classifier:
    """A file, what its input takes, and the Keras model that takes normalised images."""

    path: Path
    model: keras.Model
    preprocess: Preprocess
    pixels: bool = False


def write_classifiers(directory: Path) -> dict[str, Classifier]:
    """Write the files into a directory, and labels.txt beside them."""
    (directory / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    return dict(_classifiers(directory))


def _classifiers(directory: Path) -> Iterator[tuple[str, Classifier]]:
    rgb = Preprocess(size=SIZE, crop=0.8, mean=(0.5, 0.4, 0.6), std=(0.5, 0.3, 0.4), interpolation="bicubic")
    bgr = Preprocess(size=SIZE, mean=(0.3, 0.4, 0.5), std=(1 / 255, 1 / 255, 1 / 255), order="bgr")
    blotches = np.random.default_rng(0).integers(0, 256, (64, 3, 3, 3)).astype(np.float32)
    pixels = blotches.repeat(SIZE // 3, 1).repeat(SIZE // 3, 2)
    cases = {
        "float32": (rgb, False, "float32", "float32"),
        "bgr": (bgr, False, "float32", "float32"),
        "saved_model": (rgb, False, "saved_model", "float32"),
        "image files": (bgr, False, "saved_model", "float32"),
        "batch of 2": (rgb, True, "saved_model", "float32"),
        "onnx": (rgb, False, "onnx", "float32"),
        "int8": (rgb, False, "int8", "int8"),
        "uint8": (rgb, False, "int8", "uint8"),
        "pixels": (bgr, True, "float32", "float32"),
        "bytes": (rgb, True, "int8", "uint8"),
    }
    for name, (preprocess, raw, format_name, io) in cases.items():
        model = _net(preprocess)
        normalised = keras.ops.convert_to_numpy(preprocess(pixels))
        written = with_pixels(model, preprocess) if raw else model
        images = pixels if raw else normalised
        options = Options()
        if FORMATS[format_name].calibrated:
            options = calibrated(written, images, io=io, fixed=INPUT_RANGE if raw else None)
        if name in ("image files", "batch of 2"):
            options = Options(preprocess=preprocess, pixels=raw, batch=2 if raw else None)
        path = directory / f"{name}{FORMATS[format_name].suffix}"
        FORMATS[format_name].write(written, path, options)
        if raw and path.is_file():
            pack(path, About(class_names=LABELS), RAW, probabilities=True)
        yield name, Classifier(path, model, preprocess, pixels=raw)


def _net(preprocess: Preprocess) -> keras.Model:
    """A net whose answers hang on the colours, their order and where in the picture they are."""
    keras.utils.set_random_seed(3)
    x = images = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(float(np.mean(preprocess.std)))(x)
    x = keras.layers.Conv2D(8, 3, strides=3, activation="relu")(x)
    x = keras.layers.Dense(len(LABELS), kernel_initializer=keras.initializers.Orthogonal(6.0))(
        keras.layers.Flatten()(x)
    )
    return keras.Model(images, keras.layers.Softmax()(x))
