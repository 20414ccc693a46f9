"""A rewritten graph computes the same, and XNNPACK takes it in one partition."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import kres
from kres.export import formats, runner
from kres.export.conversion import converter, graph
from kres.export.files.flatbuffer import operator_names, unpack
from tests.export.calibrated import calibrated

layers = keras.layers
FORMATS = [name for name in formats.FORMATS if name in ("float32", "float16", "dynamic", "int8")]


@pytest.fixture
def stock(monkeypatch):
    """A function that converts as TensorFlow does, without rewriting."""
    monkeypatch.setattr(converter, "rewritten", lambda content: content)

    def convert(model, path, *, name="int8", io="float32"):
        images = np.random.default_rng(1).normal(size=(8, *model.inputs[0].shape[1:])).astype(np.float32)
        if name == "int8":
            # By TensorFlow's own calibration, which takes networks of a pool alone too.
            plain = converter.tflite_converter(model)
            plain.optimizations = [tf.lite.Optimize.DEFAULT]
            plain.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            plain.representative_dataset = lambda: ([image[None]] for image in images)
            plain.inference_input_type = plain.inference_output_type = tf.dtypes.as_dtype(io)
            path.write_bytes(converter.convert(plain))
        else:
            formats.FORMATS[name].write(model, path, formats.Options())
        return path.read_bytes()

    return convert


def outputs(content: bytes, *, count: int = 4) -> np.ndarray:
    """What a file answers on seeded input, as the integers that it gives."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rng, found = np.random.default_rng(2), []
    for _ in range(count):
        values = rng.normal(size=source["shape"])
        values = values if source["dtype"] == np.float32 else np.clip(values * 40, -128, 127)
        interpreter.set_tensor(source["index"], values.astype(source["dtype"]))
        interpreter.invoke()
        found.append(interpreter.get_tensor(target["index"]))
    return np.stack(found).astype(np.float64)


def delegation(content: bytes) -> dict[str, int]:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return runner.delegation(interpreter._get_ops_details())


def kinds(content: bytes) -> Counter[str]:
    return Counter(operator_names(unpack(content)))


@pytest.mark.parametrize(("kernel", "pad"), [(7, 3), (3, 1), (4, 2), (7, 4)])
def test_columns_in_pairs_give_the_same_integers(stock, tmp_path, kernel, pad):
    image = keras.Input((20, 24, 3))
    x = layers.ZeroPadding2D(pad)(image)
    model = keras.Model(image, layers.Conv2D(8, kernel, strides=2, bias_initializer="ones", activation="relu")(x))
    before = stock(model, tmp_path / "m.tflite", io="int8")
    after = graph.rewritten(before)
    assert kinds(after) - kinds(before) == Counter({"RESHAPE": 1})
    np.testing.assert_array_equal(outputs(after), outputs(before))
    assert np.ptp(outputs(after)) > 100


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((20, 23, 3), {"strides": 2}),
        ((20, 24, 5), {"strides": 2}),
        ((20, 24, 3), {}),
        ((20, 24, 3), {"strides": (2, 1)}),
    ],
)
def test_columns_that_do_not_pair_stay(stock, tmp_path, shape, options):
    image = keras.Input(shape)
    model = keras.Model(image, layers.Conv2D(8, 3, **options)(layers.ZeroPadding2D(1)(image)))
    content = stock(model, tmp_path / "m.tflite")
    assert graph.rewritten(content) is content


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_a_stride_alone_gives_the_same_values(stock, tmp_path, name):
    image = keras.Input((9, 8, 16))
    model = keras.Model(image, layers.MaxPooling2D(1, strides=2)(image))
    before = stock(model, tmp_path / "m.tflite", name=name, io="int8" if name == "int8" else "float32")
    after = graph.rewritten(before)
    assert kinds(after)["DEPTHWISE_CONV_2D"] == 1 and "MAX_POOL_2D" not in kinds(after)
    np.testing.assert_array_equal(outputs(after), outputs(before))
    found = delegation(after)
    assert found["taken"] == found["nodes"] and delegation(before)["taken"] < found["taken"]


def test_an_average_in_int8_differs_by_the_rounding_of_a_half(stock, tmp_path):
    image = keras.Input((8, 8, 16))
    model = keras.Model(image, layers.AveragePooling2D(2, padding="same")(image))
    before = stock(model, tmp_path / "m.tflite", io="int8")
    after = graph.rewritten(before)
    assert kinds(after)["DEPTHWISE_CONV_2D"] == 1
    difference = np.abs(outputs(after) - outputs(before))
    assert difference.max() <= 1 and np.ptp(outputs(after)) > 50
    assert delegation(after) == {"nodes": 1, "taken": 1, "partitions": 1}


def test_an_average_over_the_border_stays(stock, tmp_path):
    image = keras.Input((7, 7, 16))
    model = keras.Model(image, layers.AveragePooling2D(2, padding="same")(image))
    content = stock(model, tmp_path / "m.tflite", io="int8")
    assert graph.rewritten(content) is content


def test_probabilities_are_computed_in_float(stock, tmp_path):
    image = keras.Input((4, 4, 3))
    logits = layers.Dense(10, name="predictions")(layers.Flatten()(image))
    model = keras.Model(image, layers.Softmax()(logits))
    before = stock(model, tmp_path / "m.tflite")
    after = graph.rewritten(before)
    found = outputs(after)
    # The steps of a probability in int8; half of one is the rounding.
    np.testing.assert_allclose(found, outputs(before), atol=0.6 / 256, rtol=0)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    assert delegation(before)["partitions"] == 2
    assert delegation(after) == {"nodes": kinds(before).total(), "taken": kinds(before).total(), "partitions": 1}


def test_full_integer_probabilities_stay_integers(stock, tmp_path):
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, layers.Softmax()(layers.Dense(10)(layers.Flatten()(image))))
    content = stock(model, tmp_path / "m.tflite", io="int8")
    assert graph.rewritten(content) is content


@pytest.mark.parametrize("name", FORMATS)
def test_option_a_shortcuts_run_in_one_partition(tmp_path, name):
    model = kres.build("cifar_resnet20", input_shape=(16, 16, 3), classes=10)
    images = np.random.default_rng(1).normal(size=(4, 16, 16, 3)).astype(np.float32)
    options = calibrated(model, images) if formats.FORMATS[name].calibrated else formats.Options()
    formats.FORMATS[name].write(model, tmp_path / "m.tflite", options)
    found = delegation((tmp_path / "m.tflite").read_bytes())
    assert found["partitions"] == 1 and found["taken"] == found["nodes"] > 30
