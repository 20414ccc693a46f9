"""The table of export formats: how each one is written, and how far its answers may be from the Keras model's.

Only what writes imports Keras: the command line reads the table at once, before that takes its seconds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kres.export.losses import Quantized
    from kres.preprocessing import Preprocess


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Bounds of the difference between an artifact and its Keras model; None sets no bound.

    `relative`: largest difference of two logits over the largest logit. `drop`: loss of top-1, as a share of the
    images. `cosine`: least mean cosine of the two outputs: an artifact of another network stands near 0, whatever its
    accuracy. `features`: the same where outputs are no classes, and top-1 cannot be lost. `logits`: compare logits; an
    output of 256 steps has too few digits to take a logarithm of, and is compared as it is.
    """

    relative: float | None = None
    drop: float | None = None
    cosine: float = 0.9
    features: float = 0.9
    logits: bool = True

    def allowing(self, max_drop: float | None) -> "Tolerance":
        """Give these bounds with a `drop` of so many points, or as they are for None; ValueError beyond 0..100."""
        if max_drop is None:
            return self
        if not 0 <= max_drop <= 100:
            raise ValueError(f"max_drop must lie in 0..100 percentage points. Received: max_drop={max_drop}")
        return replace(self, drop=max_drop / 100)

    def allowed_loss(self, n: int, *, labels: bool) -> float:
        """Give how many of n images top-1 may lose: whole ones where it is counted by labels, and at least one.

        n images cannot show a smaller loss.
        """
        if self.drop is None:
            return math.inf
        # 0.7 % of 1000 are 6.999999999999999 in float64, and 7 images.
        share = self.drop * n
        return max(1.0, float(math.floor(share + 1e-9)) if labels else share)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a caller may choose: `batch`, a SavedModel's, and `pixels`, whether the input is raw grey levels.

    `preprocess` is how pictures become the model's input, where that is known.

    For formats with ranges: `calibration` images (n, h, w, c), and the type of input and output, `io`. `quantized` is
    the twin that int8 is written from, made of those images.
    """

    calibration: "np.ndarray | None" = None
    io: str = "float32"
    batch: int | None = None
    pixels: bool = False
    preprocess: "Preprocess | None" = None
    quantized: "Quantized | None" = None


@dataclass(frozen=True, kw_only=True)
class Format:
    """One row: a function that writes a float32 Keras model to a path, the name's ending, and the tolerance.

    `tflite`: the interpreters of TFLite run it. `calibrated`: its ranges come from images. `rounded`: it keeps what a
    fake-quantized twin rounds. `io` are the types that input and output may have, `extra` the optional dependency of
    kres that the format takes. `remedies` are what may help where a file loses too much, each with the field of
    `PostTraining` that asks for it, if just one does.
    """

    write: Callable[["keras.Model", Path, Options], None]
    suffix: str
    tolerance: Tolerance
    tflite: bool = True
    calibrated: bool = False
    rounded: bool = False
    io: tuple[str, ...] = ("float32",)
    extra: str | None = None
    remedies: Mapping[str, str | None] = field(default_factory=dict)


def saved_model(model: "keras.Model", path: Path, options: Options) -> None:
    """Write a SavedModel whose signatures take images, and encoded image files where it knows their preprocessing."""
    from kres.export.conversion import serving

    serving.write(model, path, batch=options.batch, preprocess=options.preprocess, pixels=options.pixels)


def float32(model: "keras.Model", path: Path, options: Options) -> None:
    """Write weights and arithmetic in float32."""
    from kres.export.conversion.converter import convert, tflite_converter

    path.write_bytes(convert(tflite_converter(model)))


def float16(model: "keras.Model", path: Path, options: Options) -> None:
    """Write weights in float16, and float32 arithmetic."""
    import tensorflow as tf

    from kres.export.conversion.converter import convert, tflite_converter

    converter = tflite_converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(convert(converter))


def dynamic(model: "keras.Model", path: Path, options: Options) -> None:
    """Write weights in int8; the interpreter quantizes activations from image to image."""
    import tensorflow as tf

    from kres.export.conversion.converter import convert, tflite_converter

    converter = tflite_converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(convert(converter))


def int8(model: "keras.Model", path: Path, options: Options) -> None:
    """Write in int8 what a fake-quantized twin rounds: the model itself where it is one, else that of the options."""
    import tensorflow as tf

    from kres.export.conversion.casts import without_casts
    from kres.export.conversion.converter import convert, tflite_converter
    from kres.export.edges import require_edges
    from kres.quantization import check_ranges, is_twin, kernels_rounded

    if not is_twin(model):
        if options.quantized is None:
            raise ValueError("int8 takes its ranges from calibration images. Received: calibration=None")
        model = options.quantized.twin
    check_ranges(model)
    require_edges(model, options.io)
    with kernels_rounded(model):
        converter = tflite_converter(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(options.io)
        content = without_casts(convert(converter))
    path.write_bytes(content)


def int16x8(model: "keras.Model", path: Path, options: Options) -> None:
    """Write weights in int8 and activations in int16, their ranges taken from the calibration images."""
    import tensorflow as tf

    from kres.export.conversion.converter import convert, tflite_converter

    calibration = options.calibration
    if calibration is None:
        raise ValueError("int16x8 takes its ranges from calibration images. Received: calibration=None")
    converter = tflite_converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # Some operators of group normalization have no int16 kernel, and stay in float32.
    operators = ("EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8", "TFLITE_BUILTINS")
    converter.target_spec.supported_ops = [tf.lite.OpsSet[name] for name in operators]
    converter.representative_dataset = lambda: ([image[None]] for image in calibration)
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(options.io)
    path.write_bytes(convert(converter))


def weight_int8(model: "keras.Model", path: Path, options: Options) -> None:
    """Write weights in int8, which the interpreter turns back to float32 as it opens the file: small, not fast."""
    from kres.export.conversion import weight_only

    weight_only.write(model, path, bits=8)


def weight_int4(model: "keras.Model", path: Path, options: Options) -> None:
    """Write weights in int4, which the interpreter turns back to float32 as it opens the file: smaller still."""
    from kres.export.conversion import weight_only

    weight_only.write(model, path, bits=4)


def onnx(model: "keras.Model", path: Path, options: Options) -> None:
    """Write a float32 ONNX file of any batch with Keras's own exporter."""
    from kres.export.conversion import onnx_export

    onnx_export.write(model, path)


FORMATS: dict[str, Format] = {
    # The same kernels in another graph: what is left is the order of float32 sums.
    "saved_model": Format(
        write=saved_model, suffix=".saved_model", tolerance=Tolerance(relative=1e-4), tflite=False, rounded=True
    ),
    "float32": Format(write=float32, suffix=".float32.tflite", tolerance=Tolerance(relative=1e-4)),
    "float16": Format(
        write=float16, suffix=".float16.tflite", tolerance=Tolerance(relative=1e-2), remedies={"float32": None}
    ),
    "dynamic": Format(
        write=dynamic,
        suffix=".dynamic.tflite",
        tolerance=Tolerance(drop=3e-3, features=0.99),
        remedies={"weight_int8": None, "float16": None},
    ),
    "int8": Format(
        write=int8,
        suffix=".int8.tflite",
        tolerance=Tolerance(drop=3e-3, features=0.99, logits=False),
        calibrated=True,
        rounded=True,
        io=("float32", "int8", "uint8"),
        remedies={
            "float32 for the layers that lose most": "max_drop",
            "other ranges": None,
            "equalization": "equalize",
            "bias correction": "correct_bias",
            "training with quantization": None,
        },
    ),
    # 65,536 steps of an activation are as good as float: what differs is the weights, as in weight_int8.
    "int16x8": Format(
        write=int16x8,
        suffix=".int16x8.tflite",
        tolerance=Tolerance(drop=3e-3, cosine=0.99, features=0.995, logits=False),
        calibrated=True,
        io=("float32", "int16"),
        remedies={"weight_int8": None, "float16": None},
    ),
    "weight_int8": Format(
        write=weight_int8,
        suffix=".weight_int8.tflite",
        tolerance=Tolerance(drop=3e-3, cosine=0.99, features=0.995),
        extra="quantizer",
        remedies={"float16": None},
    ),
    # A weight of 15 values: what a network loses by it is its own, and a narrow one may lose more than this.
    "weight_int4": Format(
        write=weight_int4,
        suffix=".weight_int4.tflite",
        tolerance=Tolerance(drop=2e-2, cosine=0.7),
        extra="quantizer",
        remedies={"weight_int8": None},
    ),
    "onnx": Format(write=onnx, suffix=".onnx", tolerance=Tolerance(relative=1e-4), tflite=False, extra="onnx"),
}
