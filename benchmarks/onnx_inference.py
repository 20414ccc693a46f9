"""ONNX Runtime's and OpenVINO's side of `export_latency`; `other_process` runs this.

As a program it takes one of ENGINES, an ONNX file, calibration images (n, h, w, c) as a `.npy` file, threads and runs,
and answers each line of standard input with the median seconds of one image.
"""

import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import timed
from benchmarks.other_process import answering, serve

WARM_UP = 5
Call = Callable[[], Any]


def onnx_runtime(path: str, images: np.ndarray, threads: int) -> Call:
    """A call of ONNX Runtime on one image, in float32."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images[:1]}
    return lambda: session.run(None, feed)


def openvino_int8(path: str, images: np.ndarray, threads: int) -> Call:
    """A call of OpenVINO on one image, after NNCF's post-training quantization with its defaults."""
    import nncf
    import openvino

    calibration = nncf.Dataset([image[None] for image in images])
    quantized = nncf.quantize(openvino.Core().read_model(path), calibration, subset_size=len(images))
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(quantized, "CPU", options).create_infer_request()
    return lambda: request.infer([images[:1]])


ENGINES: dict[str, Callable[[str, np.ndarray, int], Call]] = {
    "onnx_runtime": onnx_runtime,
    "openvino_int8": openvino_int8,
}


if __name__ == "__main__":
    engine, path, calibration, threads, runs = sys.argv[1:]
    output = answering()
    run = ENGINES[engine](path, np.load(calibration), int(threads))
    for _ in range(WARM_UP):
        run()
    serve({"": lambda: statistics.median(timed(run) for _ in range(int(runs)))}, output)
