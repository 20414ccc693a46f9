"""One image through an exported ResNet-50 at 224 px, batch 1, 2 threads: kres's files against others of this network.

keras.applications.ResNet50 is converted by TensorFlow alone, and for ONNX Runtime and OpenVINO by Keras's own ONNX
exporter; OpenVINO's int8 is NNCF's post-training quantization. ONNX Runtime, OpenVINO and NNCF run in processes of
their own, of the Python that KRES_ONNX_PYTHON or KRES_OPENVINO_PYTHON names where this one has them not. Each turn is
the median of several images. The last rows count the partitions of XNNPACK in each file, which are no seconds.
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
from kres.export.formats import FORMATS, Options
from kres.export.post_training.quantize import PostTraining, quantize
from kres.export.runner import delegation

THREADS = 2
WARM_UP = 5
ONE_PARTITION = ("float32", "float16", "dynamic", "int8")
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
        self._interpreter.set_tensor(self._interpreter.get_input_details()[0]["index"], image)
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


def written(model: Any, images: np.ndarray, directory: Path) -> dict[str, bytes]:
    """kres's files, by format."""
    found = {}
    for name in ONE_PARTITION:
        calibrated = FORMATS[name].calibrated
        options = Options(quantized=quantize(model, images, PostTraining())) if calibrated else Options()
        FORMATS[name].write(model, directory / name, options)
        found[name] = (directory / name).read_bytes()
    return found


def onnx_file(model: Any, path: Path) -> str:
    """Write the model with Keras's exporter; why it cannot, or an empty string."""
    source = keras.InputSpec(shape=(1, *model.inputs[0].shape[1:]), dtype="float32")
    try:
        model.export(str(path), format="onnx", verbose=False, input_signature=[source])
    except ImportError as error:
        return f"Keras's ONNX exporter: {error}"
    return ""


def against(name: str, ours: Callable[[], Sequence[float]], theirs: Callable[[], Sequence[float]], rounds: int) -> Row:
    """Both in turns; kres may take as long as the other, and no longer."""
    seconds = in_turns({"kres": ours, "stock": theirs}, rounds)
    return Row(name=name, kres=seconds["kres"], stock=seconds["stock"], target=1.0, at_most=True)


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
        contents = written(ours, images, Path(folder))
        files = {name: TfliteFile(content, images[:1], options.runs) for name, content in contents.items()}
        converted = TfliteFile(stock_int8(stock, images), images[:1], options.runs)
        rows = [against("int8 against TensorFlow's int8", files["int8"].turn, converted.turn, options.rounds)]
        rows += others(files, stock, images, Path(folder), options)
    for name, file in files.items():
        partitions = [float(file.partitions)] * (1 if options.toy else options.rounds)
        one = [1.0] * len(partitions)
        rows.append(Row(name=f"{name}: partitions (a count)", kres=partitions, stock=one, target=1.0, at_most=True))
    report(rows, options)


if __name__ == "__main__":
    main()
