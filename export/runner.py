"""Runs one artifact in a process of its own: a damaged file can crash an interpreter, which must not hurt the caller.

The file needs NumPy and an interpreter alone, so that any Python that has a TFLite runtime can run it by its path.
Protocol: one JSON line about input and outputs, then one by one float32 images on stdin, and on stdout the float32
outputs of each, one after another, and after them the inner tensors that were asked for.
"""

import argparse
import contextlib
import gc
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

if __name__ == "__main__":
    # Python looks for modules beside a script first, and what lies here is nobody's `images` or `tables`.
    HERE = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.realpath(place or os.curdir) != HERE]

import numpy as np

Answer = Callable[[np.ndarray], list[np.ndarray]]
WARM_UP = 5


def open_tflite(path: str, threads: int, runtime: str, tensors: Sequence[int] = ()) -> tuple[Answer, dict[str, Any]]:
    """Give a function from one normalised float32 image (1, h, w, c) to float32 outputs, and the file's description.

    Quantized inputs and outputs go through the file's own scale and zero point, as an application does it. With
    `tensors`, their indices in the file, those follow the outputs.
    """
    module = importlib.import_module(f"{runtime}.interpreter")
    inner: dict[str, Any] = {}
    if tensors:
        # A delegate keeps to itself what lies between its nodes.
        resolver = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        inner = {"experimental_preserve_all_tensors": True, "experimental_op_resolver_type": resolver}
    interpreter = module.Interpreter(model_path=path, num_threads=threads, **inner)
    interpreter.allocate_tensors()
    inputs, targets = interpreter.get_input_details(), interpreter.get_output_details()
    check_one_input(len(inputs))
    source = inputs[0]

    def answer(image: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(source["index"], quantize(image, source))
        interpreter.invoke()
        return [dequantize(interpreter.get_tensor(tensor["index"]), tensor) for tensor in (*targets, *inners)]

    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()} if tensors else {}
    inners = [details[index] for index in tensors]
    answer.delegation = lambda: delegation(interpreter._get_ops_details())  # type: ignore[attr-defined]
    return answer, {
        "version": importlib.import_module(runtime.partition(".")[0]).__version__,
        "input": describe(source),
        "outputs": [describe(target) for target in targets],
        "tensors": [describe(inner) for inner in inners],
    }


def check_one_input(count: int) -> None:
    """Raise ValueError for an artifact that takes more than images."""
    if count != 1:
        raise ValueError(f"one input is supported. Received: {count}")


def is_onnx(content: bytes) -> bool:
    """Say whether a file's first bytes are an ONNX model's: its IR version, then another field of the message."""
    # Protocol buffer tags: 0x08 is field 1 as a number; 0x12 to 0x42 are the fields 2 to 8, as text, number or message.
    return len(content) > 3 and content[0] == 0x08 and content[1] < 64 and content[2] in range(0x12, 0x43)


def open_onnx(path: str, threads: int) -> tuple[Answer, dict[str, Any]]:
    """Give a function from float32 images (n, h, w, c) to float32 outputs by ONNX Runtime, and the description."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    check_one_input(len(session.get_inputs()))
    source = session.get_inputs()[0]

    def answer(images: np.ndarray) -> list[np.ndarray]:
        return [output.astype(np.float32) for output in session.run(None, {source.name: images})]

    # A dimension of any size has a name, or none, in the place of its number.
    def plain(value: Any) -> dict[str, Any]:
        shape = [size if isinstance(size, int) else -1 for size in value.shape]
        return {"name": value.name, "shape": shape, "dtype": value.type}

    return answer, {
        "version": onnxruntime.__version__,
        "input": plain(source),
        "outputs": [plain(value) for value in session.get_outputs()],
    }


def delegation(nodes: list[dict[str, Any]]) -> dict[str, int]:
    """Count the file's `nodes`, those that the delegate `took`, and the `partitions` that it runs them in.

    The interpreter keeps the nodes that a delegate took, and appends one of type DELEGATE for each partition. What lies
    between that one's outputs and its inputs is the partition.
    """
    partitions = [node for node in nodes if node["op_name"] == "DELEGATE"]
    own = [node for node in nodes if node["op_name"] != "DELEGATE"]
    makers = {int(tensor): node for node in own for tensor in node["outputs"]}
    taken = set()
    for partition in partitions:
        visited = {int(tensor) for tensor in partition["inputs"]}
        waiting = [int(tensor) for tensor in partition["outputs"]]
        while waiting:
            tensor = waiting.pop()
            if tensor in makers and tensor not in visited:
                taken.add(makers[tensor]["index"])
                waiting += [int(source) for source in makers[tensor]["inputs"]]
            visited.add(tensor)
    return {"nodes": len(own), "taken": len(taken), "partitions": len(partitions)}


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
    check_one_input(len(inputs))
    ((source, spec),) = inputs.items()

    def answer(images: np.ndarray) -> list[np.ndarray]:
        found = serving(**{source: tf.constant(images, spec.dtype)})
        return [found[name].numpy() for name in sorted(outputs)]

    # A loaded function dies with the object that it came from.
    answer.loaded = loaded  # type: ignore[attr-defined]

    def plain(name: str, tensor: Any) -> dict[str, Any]:
        return {"name": name, "shape": [size or -1 for size in tensor.shape], "dtype": tensor.dtype.name}

    description = {
        "version": tf.__version__,
        "input": plain(source, spec),
        "outputs": [plain(name, tensor) for name, tensor in sorted(outputs.items())],
    }
    return answer, description


def answer_all(answer: Answer, shape: list[int], source: BinaryIO, sink: BinaryIO) -> None:
    """Answer float32 images of `shape` from `source` until it ends."""
    size = int(np.prod(shape)) * 4
    while len(block := source.read(size)) == size:
        for output in answer(np.frombuffer(block, np.float32).reshape(shape)):
            sink.write(np.ascontiguousarray(output).tobytes())
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


def time_part(path: str, threads: int, runtime: str, runs: int) -> float | None:
    """Give the median milliseconds of a TFLite file of one operator on random input; None where it cannot run alone."""
    try:
        interpreter = importlib.import_module(f"{runtime}.interpreter").Interpreter(path, num_threads=threads)
        interpreter.allocate_tensors()
        values = np.random.default_rng(0)
        for tensor in interpreter.get_input_details():
            dtype = np.dtype(tensor["dtype"])
            shape = tensor["shape"]
            drawn = values.normal(size=shape) if dtype.kind == "f" else values.integers(0, 64, shape)
            interpreter.set_tensor(tensor["index"], drawn.astype(dtype))
        times = []
        for _ in range(WARM_UP + runs):
            start = time.perf_counter()
            interpreter.invoke()
            times.append((time.perf_counter() - start) * 1e3)
    except (ValueError, RuntimeError):
        return None
    return float(np.median(times[WARM_UP:]))


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
    if os.path.isfile(arguments.artifact):
        with open(arguments.artifact, "rb") as file:
            head = file.read(4)
        if is_onnx(head):
            importlib.import_module("onnxruntime")
            forget_peak()
            before = memory("VmRSS")
            return *open_onnx(arguments.artifact, arguments.threads), before
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
    parser.add_argument("--parts", default="", metavar="DIR", help="files of one operator each, timed in their order")
    arguments = parser.parse_args()
    # Interpreters may print; the answers keep the real standard output to themselves.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    gc.disable()  # what is imported stays, and to look through it again and again takes time
    answer, description, before = open_artifact(arguments)
    gc.freeze()
    gc.enable()
    description["machine"] = platform.machine()
    # Any batch is -1, and a fixed one stays what it is.
    shape = [max(1, description["input"]["shape"][0]), *description["input"]["shape"][1:]]
    if arguments.measure:
        description["times_ms"] = measure(answer, shape, arguments.measure)
        peak = memory("VmHWM")
        description["peak_bytes"] = None if peak is None or before is None else peak - before
        description["delegation"] = answer.delegation() if hasattr(answer, "delegation") else None
        if arguments.parts:
            names = sorted(os.listdir(arguments.parts))
            description["parts_ms"] = [
                time_part(os.path.join(arguments.parts, name), arguments.threads, arguments.runtime, arguments.measure)
                for name in names
            ]
    sink.write(json.dumps(description).encode() + b"\n")
    sink.flush()
    if not arguments.measure:
        answer_all(answer, shape, sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
