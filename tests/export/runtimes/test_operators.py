"""Operators cut out of a file run alone and give, one behind the other, what the whole file gives."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from kres.export import formats
from kres.export.files.flatbuffer import unpack
from kres.export.runtimes.operators import cut
from kres.lowering import lower
from tests.export.calibrated import calibrated

layers = keras.layers


def run(content: bytes, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a file by name; its inputs are named as in the whole."""
    # Without a delegate, whose kernels would differ in the last bit between a part and the whole.
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], values[tensor["name"]])
    interpreter.invoke()
    return {tensor["name"]: interpreter.get_tensor(tensor["index"]) for tensor in interpreter.get_output_details()}


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A padded convolution that strides, a sum, a pool behind a pad of its own, and a classifier."""
    image = keras.Input((16, 16, 3))
    x = layers.ReLU()(layers.Conv2D(8, 3, strides=2, name="stem")(layers.ZeroPadding2D(2)(image)))
    x = layers.Add(name="sum")([x, layers.Conv2D(8, 1, name="branch")(x)])
    x = layers.MaxPooling2D(3, strides=2, name="pool")(layers.ZeroPadding2D(1, name="pad")(x))
    return keras.Model(image, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int8"])
def test_parts_in_their_order_are_the_whole(network, tmp_path, name):
    images = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype(np.float32)
    options = calibrated(network, images) if formats.FORMATS[name].calibrated else formats.Options()
    path = tmp_path / "m.tflite"
    formats.FORMATS[name].write(network, path, options)
    graph = unpack(path.read_bytes()).subgraphs[0]
    whole = run(path.read_bytes(), {graph.tensors[graph.inputs[0]].name.decode(): images[:1]})
    parts = cut(path)
    values = {graph.tensors[graph.inputs[0]].name.decode(): images[:1]}
    for part in parts:
        values |= run(part.content, values)
    for key, expected in whole.items():
        np.testing.assert_array_equal(values[key], expected)
    # The stem's PAD goes with it, the pool's stands alone, and what unpacks float16 is no operator of its own.
    names = [part.name for part in parts]
    assert names.count("PAD") == 1 and "DEQUANTIZE" not in names[:-2]
    (stem,) = (part for part in parts if {"PAD", "CONV_2D"} <= set(part.name.split(" + ")))
    assert stem.layer == "stem"
    # By the names that --keep-float takes, but for the input that int8 rounds; what leaves the file has no such name.
    assert {part.layer for part in parts} <= {*lower(network).parts, network.inputs[0].name}
    assert {"branch", "sum", "pad", "pool"} <= {part.layer for part in parts}
    assert parts[-1].layer == network.layers[-1].name
    assert len(parts) < len(graph.operators)
