"""One image through an exported ResNet-50 at 224 px, batch 1, 2 threads: kres's files against others of this network.

keras.applications.ResNet50 is converted by TensorFlow alone, and for ONNX Runtime and OpenVINO by Keras's own ONNX
exporter; OpenVINO's int8 is NNCF's post-training quantization. ONNX Runtime, OpenVINO and NNCF run in processes of
their own, of the Python that KRES_ONNX_PYTHON or KRES_OPENVINO_PYTHON names where this one has them not. Each turn is
the median of several images. Files that normalise raw pixels themselves stand against kres's own without that. The last
rows count the partitions of XNNPACK in each file, which are no seconds.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, arguments, in_turns, report, timed

# isort: split
import keras
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import kres
from benchmarks.other_process import OtherProcess
from kres.export.conversion.pixels import INPUT_RANGE, with_pixels
from kres.export.extras import absent
from kres.export.formats import FORMATS, Options
from kres.export.post_training.quantize import PostTraining, quantize
from kres.export.runner import delegation

THREADS = 2
WARM_UP = 5
ONE_PARTITION = ("float32", "float16", "dynamic", "int8", "weight_int8")
# Formats with the type of their input and output that the cost of raw pixels is measured in.
PIXELS = {"int8": "uint8", "float32": "float32"}
PIXELS_COST = 1.02
# Name of the row, kres's format, the engine, and the variable that names its Python.
OTHERS = (
    ("int8 against OpenVINO's int8", "int8", "openvino_int8", "KRES_OPENVINO_PYTHON"),
    ("float32 against ONNX Runtime", "float32", "onnx_runtime", "KRES_ONNX_PYTHON"),
)


class TfliteFile:
    """A TFLite file in this process, with XNNPACK."""

    def __init__(self, content: bytes, image: np.ndarray, runs: int) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=THREADS)
        self._interpreter.allocate_tensors()
        source = self._interpreter.get_input_details()[0]
        self._interpreter.set_tensor(source["index"], image.astype(source["dtype"]))
        self._runs = runs
        for _ in range(WARM_UP):
            self._interpreter.invoke()

    def turn(self) -> Sequence[float]:
        """The median seconds of an image."""
        return [statistics.median(timed(self._interpreter.invoke) for _ in range(self._runs))]

    @property
    def partitions(self) -> int:
        """How often the graph enters and leaves the delegate; what it did not take counts as one more."""
        found = delegation(self._interpreter._get_ops_details())
        return found["partitions"] + (found["taken"] < found["nodes"])


def stock_int8(model: Any, images: np.ndarray) -> bytes:
    """TensorFlow's own full integer conversion."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    # It tells what it saved on the way, where the report stands alone.
    with redirect_stdout(sys.stderr):
        return converter.convert()


def content(name: str, model: Any, images: np.ndarray, directory: Path, *, io: str = "float32", **ranges: Any) -> bytes:
    """One of kres's files; `ranges` go to quantization."""
    quantized = quantize(model, images, PostTraining(), **ranges) if FORMATS[name].calibrated else None
    FORMATS[name].write(model, directory / name, Options(quantized=quantized, io=io))
    return (directory / name).read_bytes()


def onnx_file(model: Any, path: Path) -> str:
    """Write the model with Keras's exporter; why it cannot, or an empty string."""
    source = keras.InputSpec(shape=(1, *model.inputs[0].shape[1:]), dtype="float32")
    try:
        model.export(str(path), format="onnx", verbose=False, input_signature=[source])
    except ImportError as error:
        return f"Keras's ONNX exporter: {error}"
    return ""


Turn = Callable[[], Sequence[float]]


def against(name: str, ours: Turn, theirs: Turn, rounds: int, *, target: float = 1.0) -> Row:
    """Both in turns; kres may take `target` times as long as the other, and no longer."""
    seconds = in_turns({"kres": ours, "stock": theirs}, rounds)
    return Row(name=name, kres=seconds["kres"], stock=seconds["stock"], target=target, at_most=True)


def pixels(model: Any, images: np.ndarray, directory: Path, options: Any) -> list[Row]:
    """What it costs that a file takes raw pixels and normalises them: the rows of PIXELS."""
    grey = np.random.default_rng(0).integers(0, 256, images.shape).astype(np.float32)
    normalising = with_pixels(model, model.preprocess)
    rows = []
    for name, io in PIXELS.items():
        fixed = {"fixed": INPUT_RANGE} if FORMATS[name].calibrated else {}
        contents = (
            content(name, normalising, grey, directory, io=io, **fixed),
            content(name, model, images, directory, io=io),
        )
        ours, plain = (TfliteFile(each, grey[:1], options.runs) for each in contents)
        title = f"{name} of raw pixels against normalised ones"
        rows.append(against(title, ours.turn, plain.turn, options.rounds, target=PIXELS_COST))
    return rows


def partitions(files: dict[str, TfliteFile], options: Any) -> list[Row]:
    """A row for each format of ONE_PARTITION."""
    rows = []
    for name in ONE_PARTITION:
        row = partial(Row, name=f"{name}: partitions (a count)", target=1.0, at_most=True)
        if lacking := absent(FORMATS[name].extra):
            rows.append(row(kres=[], stock=[], not_measurable=lacking))
        else:
            times = 1 if options.toy else options.rounds
            rows.append(row(kres=[float(files[name].partitions)] * times, stock=[1.0] * times))
    return rows


def others(files: dict[str, TfliteFile], stock: Any, images: np.ndarray, directory: Path, options: Any) -> list[Row]:
    """The rows of OTHERS."""
    path, calibration = directory / "stock.onnx", directory / "images.npy"
    np.save(calibration, images)
    lacking = onnx_file(stock, path)
    rows = []
    for name, ours, engine, variable in OTHERS:
        with ExitStack() as stack:
            absent = lacking
            if not absent:
                words = (engine, path, calibration, THREADS, options.runs)
                other = stack.enter_context(OtherProcess("onnx_inference", *words, variable=variable))
                absent = other.absent
            if absent:
                rows.append(Row(name=name, kres=[], stock=[], target=1.0, at_most=True, not_measurable=absent))
            else:
                rows.append(against(name, files[ours].turn, partial(_asked, other), options.rounds))
    return rows


def _asked(other: OtherProcess) -> Sequence[float]:
    return [other.run("")]


def main() -> None:
    options = arguments(__doc__)
    size, options.runs = (32, 1) if options.toy else (224, 20)
    if not options.toy:
        options.rounds *= 5
    images = np.random.default_rng(0).normal(size=(4 if options.toy else 32, size, size, 3)).astype(np.float32)
    network = "cifar_resnet20" if options.toy else "keras_resnet50"
    ours = kres.build(network, input_shape=(size, size, 3))
    stock = ours if options.toy else keras.applications.ResNet50(weights=None, input_shape=(size, size, 3))
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        files = {
            name: TfliteFile(content(name, ours, images, directory), images[:1], options.runs)
            for name in ONE_PARTITION
            if not absent(FORMATS[name].extra)
        }
        converted = TfliteFile(stock_int8(stock, images), images[:1], options.runs)
        rows = [against("int8 against TensorFlow's int8", files["int8"].turn, converted.turn, options.rounds)]
        rows += others(files, stock, images, directory, options)
        rows += pixels(ours, images, directory, options)
        rows += partitions(files, options)
    report(rows, options)


if __name__ == "__main__":
    main()
