"""The table of export formats: how each one is written, and how far its answers may be from the Keras model's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kres.export import conversion
from kres.export.casts import without_casts
from kres.export.layers import Quantized
from kres.quantization import check_ranges, is_twin


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Bounds of the difference between an artifact and its Keras model; None sets no bound.

    `relative`: largest difference of two logits over the largest logit. `drop`: loss of top-1, as a share of the
    images. `cosine`: least mean cosine of the two outputs: an artifact of another network stands near 0, whatever its
    accuracy. `logits`: compare logits; an output of 256 steps has too few digits to take a logarithm of, and is
    compared as it is.
    """

    relative: float | None = None
    drop: float | None = None
    cosine: float = 0.9
    logits: bool = True


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a caller may choose, all for int8 alone: calibration images (n, h, w, c), the type of input and output.

    `quantized` is the twin that int8 is written from, made of those images.
    """

    calibration: np.ndarray | None = None
    io: str = "float32"
    quantized: Quantized | None = None


@dataclass(frozen=True, kw_only=True)
class Format:
    """One row: a function that writes a float32 Keras model to a path, the name's ending, and the tolerance.

    `calibrated`: its ranges come from images. `rounded`: it keeps what a fake-quantized twin rounds.
    """

    write: Callable[[keras.Model, Path, Options], None]
    suffix: str
    tolerance: Tolerance
    calibrated: bool = False
    rounded: bool = False


def saved_model(model: keras.Model, path: Path, options: Options) -> None:
    """Write a SavedModel whose serving signature takes (n, h, w, c) with any n."""
    import tensorflow as tf

    module = tf.Module()
    # A plain list keeps the variables; tracking the Keras model itself recurses once a layer.
    module.weights = [variable.value for variable in model.variables]
    module.serve = conversion.serving_function(model, batch=None)
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})


def float32(model: keras.Model, path: Path, options: Options) -> None:
    """Write weights and arithmetic in float32."""
    path.write_bytes(conversion.convert(conversion.converter(model)))


def float16(model: keras.Model, path: Path, options: Options) -> None:
    """Write weights in float16, and float32 arithmetic."""
    import tensorflow as tf

    converter = conversion.converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(conversion.convert(converter))


def dynamic(model: keras.Model, path: Path, options: Options) -> None:
    """Write weights in int8; the interpreter quantizes activations from image to image."""
    import tensorflow as tf

    converter = conversion.converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(conversion.convert(converter))


def int8(model: keras.Model, path: Path, options: Options) -> None:
    """Write in int8 what a fake-quantized twin rounds: the model itself where it is one, else that of the options."""
    import tensorflow as tf

    if not is_twin(model):
        if options.quantized is None:
            raise ValueError("int8 takes its ranges from calibration images. Received: calibration=None")
        model = options.quantized.twin
    check_ranges(model)
    converter = conversion.converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(options.io)
    path.write_bytes(without_casts(conversion.convert(converter)))


FORMATS: dict[str, Format] = {
    # The same kernels in another graph: what is left is the order of float32 sums.
    "saved_model": Format(write=saved_model, suffix=".saved_model", tolerance=Tolerance(relative=1e-4), rounded=True),
    "float32": Format(write=float32, suffix=".float32.tflite", tolerance=Tolerance(relative=1e-4)),
    "float16": Format(write=float16, suffix=".float16.tflite", tolerance=Tolerance(relative=1e-2)),
    "dynamic": Format(write=dynamic, suffix=".dynamic.tflite", tolerance=Tolerance(drop=3e-3)),
    "int8": Format(
        write=int8,
        suffix=".int8.tflite",
        tolerance=Tolerance(drop=3e-3, logits=False),
        calibrated=True,
        rounded=True,
    ),
}
IO = ("float32", "int8", "uint8")
