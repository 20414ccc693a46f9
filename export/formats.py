"""The table of export formats: how each one is written, and how far its answers may be from the Keras model's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kres.export import conversion


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
    """What a caller may choose, both for int8 alone: calibration images (n, h, w, c), the type of input and output."""

    calibration: np.ndarray | None = None
    io: str = "float32"


@dataclass(frozen=True, kw_only=True)
class Format:
    """One row: a function that writes a float32 Keras model to a path, the name's ending, and the tolerance."""

    write: Callable[[keras.Model, Path, Options], None]
    suffix: str
    tolerance: Tolerance
    calibrated: bool = False


def saved_model(model: keras.Model, path: Path, options: Options) -> None:
    """Write a SavedModel whose serving signature takes (n, h, w, c) with any n; raises OSError where it cannot."""
    import tensorflow as tf

    module = tf.Module()
    # A plain list keeps the variables; tracking the Keras model itself recurses once a layer.
    module.weights = [variable.value for variable in model.variables]
    module.serve = conversion.serving_function(model, batch=None)
    try:
        tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
    except tf.errors.OpError as error:
        # A disk that is full is an operation's failure to TensorFlow.
        raise OSError(f"a SavedModel cannot be written: {error.message}") from error


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
    """Write weights and activations in int8, their ranges taken from the calibration images."""
    import tensorflow as tf

    calibration = options.calibration
    if calibration is None:
        raise ValueError("int8 takes its ranges from calibration images. Received: calibration=None")
    converter = conversion.converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([image[None]] for image in calibration)
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(options.io)
    path.write_bytes(conversion.convert(converter))


FORMATS: dict[str, Format] = {
    # The same kernels in another graph: what is left is the order of float32 sums.
    "saved_model": Format(write=saved_model, suffix=".saved_model", tolerance=Tolerance(relative=1e-4)),
    "float32": Format(write=float32, suffix=".float32.tflite", tolerance=Tolerance(relative=1e-4)),
    "float16": Format(write=float16, suffix=".float16.tflite", tolerance=Tolerance(relative=1e-2)),
    "dynamic": Format(write=dynamic, suffix=".dynamic.tflite", tolerance=Tolerance(drop=3e-3)),
    "int8": Format(write=int8, suffix=".int8.tflite", tolerance=Tolerance(drop=3e-3, logits=False), calibrated=True),
}
IO = ("float32", "int8", "uint8")
