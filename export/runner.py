"""Runs one artifact in a process of its own: a damaged file can crash an interpreter, which must not hurt the caller.

The file needs NumPy and an interpreter alone, so that any Python that has a TFLite runtime can run it by its path.
Protocol: one JSON line about input and output, then one by one float32 images on stdin, float32 answers on stdout:
the output, and after it the inner tensors that were asked for.
"""

import argparse
import contextlib
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np

Answer = Callable[[np.ndarray], np.ndarray]
WARM_UP = 5


def open_tflite(path: str, threads: int, runtime: str, tensors: Sequence[int] = ()) -> tuple[Answer, dict[str, Any]]:
    """Give a function from one normalised float32 image (1, h, w, c) to the float32 output, and the file's description.

    Quantized inputs and outputs go through the file's own scale and zero point, as an application does it. With
    `tensors`, their indices in the file, the answer is flat and their values follow the output's.
    """
    module = importlib.import_module(f"{runtime}.interpreter")
    inner: dict[str, Any] = {}
    if tensors:
        # A delegate keeps to itself what lies between its nodes.
        resolver = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        inner = {"experimental_preserve_all_tensors": True, "experimental_op_resolver_type": resolver}
    interpreter = module.Interpreter(model_path=path, num_threads=threads, **inner)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(f"one input and one output are supported. Received: {len(inputs)} and {len(outputs)}")
    source, target = inputs[0], outputs[0]

    def answer(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source["index"], quantize(image, source))
        interpreter.invoke()
        output = dequantize(interpreter.get_tensor(target["index"]), target)
        if not tensors:
            return output
        return np.concatenate(
            [output.ravel(), *(dequantize(value(index), details[index]).ravel() for index in tensors)]
        )

    value = interpreter.get_tensor
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()} if tensors else {}
    return answer, {
        "version": importlib.import_module(runtime.partition(".")[0]).__version__,
        "input": describe(source),
        "output": describe(target),
        "tensors": [describe(details[index]) for index in tensors],
    }


def describe(tensor: dict[str, Any]) -> dict[str, Any]:
    """Give name, shape, dtype, scale and zero point of an interpreter's tensor as plain values."""
    scale, zero_point = tensor["quantization"]
    return {
        "name": tensor["name"],
        "shape": [int(size) for size in tensor["shape"]],
        "dtype": np.dtype(tensor["dtype"]).name,
        "scale": float(scale),
        "zero_point": int(zero_point),
    }


def quantize(image: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Round real values to the tensor's integers; a float tensor takes them as they are."""
    dtype = np.dtype(tensor["dtype"])
    if dtype.kind == "f":
        return image.astype(dtype)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(dtype)
    return np.clip(np.round(image / scale) + zero_point, limits.min, limits.max).astype(dtype)


def dequantize(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Give the real values that a tensor's integers stand for, as float32."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    return ((values.astype(np.float32) - zero_point) * scale).astype(np.float32)


def open_saved_model(path: str) -> tuple[Answer, dict[str, Any]]:
    """Give the serving signature of a SavedModel as a function on (n, h, w, c) float32 images, and its description."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    serving = loaded.signatures["serving_default"]
    inputs, outputs = serving.structured_input_signature[1], serving.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(f"one input and one output are supported. Received: {len(inputs)} and {len(outputs)}")
    (source, spec), (target, result) = next(iter(inputs.items())), next(iter(outputs.items()))

    def answer(images: np.ndarray) -> np.ndarray:
        return serving(**{source: tf.constant(images, spec.dtype)})[target].numpy()

    # A loaded function dies with the object that it came from.
    answer.loaded = loaded  # type: ignore[attr-defined]
    description = {
        "version": tf.__version__,
        "tensors": [],
        "input": {"name": source, "shape": [size or -1 for size in spec.shape], "dtype": spec.dtype.name},
        "output": {"name": target, "shape": [size or -1 for size in result.shape], "dtype": result.dtype.name},
    }
    return answer, description


def answer_all(answer: Answer, shape: list[int], source: BinaryIO, sink: BinaryIO) -> None:
    """Answer float32 images of `shape` from `source` until it ends."""
    size = int(np.prod(shape)) * 4
    while len(block := source.read(size)) == size:
        sink.write(np.ascontiguousarray(answer(np.frombuffer(block, np.float32).reshape(shape))).tobytes())
        sink.flush()


def measure(answer: Answer, shape: list[int], runs: int) -> list[float]:
    """Give the milliseconds of `runs` single-image calls after a warm-up, on seeded random input."""
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    times = []
    for _ in range(WARM_UP + runs):
        start = time.perf_counter()
        answer(image)
        times.append((time.perf_counter() - start) * 1e3)
    return times[WARM_UP:]


def memory(field: str) -> int | None:
    """Give a memory figure of this process in bytes (`VmRSS` now, `VmHWM` at most), or None where /proc has none."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))
    except OSError:
        return None


def forget_peak() -> None:
    """Let `VmHWM` start again from the memory in use, so that the peak of the imports does not count."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as switch:
        switch.write("5")


def open_artifact(arguments: argparse.Namespace) -> tuple[Answer, dict[str, Any], int | None]:
    """Open what the command line names; the last value is the memory in bytes that was in use before."""
    if not os.path.isdir(arguments.artifact):
        importlib.import_module(f"{arguments.runtime}.interpreter")
        forget_peak()
        before = memory("VmRSS")
        return *open_tflite(arguments.artifact, arguments.threads, arguments.runtime, arguments.tensors), before
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    forget_peak()
    before = memory("VmRSS")
    return *open_saved_model(arguments.artifact), before


def main() -> None:
    """Open the artifact, describe it, then answer images or measure the time of an answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtime", default="ai_edge_litert")
    parser.add_argument("--tensors", type=int, nargs="*", default=[], metavar="INDEX")
    parser.add_argument("--measure", type=int, default=0, metavar="RUNS")
    arguments = parser.parse_args()
    # Interpreters may print; the answers keep the real standard output to themselves.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answer, description, before = open_artifact(arguments)
    description["machine"] = platform.machine()
    shape = [1, *description["input"]["shape"][1:]]
    if arguments.measure:
        description["times_ms"] = measure(answer, shape, arguments.measure)
        peak = memory("VmHWM")
        description["peak_bytes"] = None if peak is None or before is None else peak - before
    sink.write(json.dumps(description).encode() + b"\n")
    sink.flush()
    if not arguments.measure:
        answer_all(answer, shape, sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
