"""What the two layers become outside Keras: plain TFLite operations, and a SavedModel that runs on any CPU."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from kres.convolution import GroupedConv2D
from kres.kernels import tensorflow_conv
from kres.normalization import BatchNormalization
from tests.kernels.comparison import random_images
from tests.kernels.subprocesses import run_python

SHAPE = (8, 8, 8)


@pytest.fixture(params=[True, False], ids=["native gradient", "own gradient"])
def network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Any, Path]:
    """Two grouped convolutions with norm and ReLU whose statistics have moved, and its SavedModel."""
    if not request.param:
        monkeypatch.setattr(tensorflow_conv, "has_native_gradient", lambda *_: False)
    inputs = x = keras.Input(SHAPE)
    for stride in (1, 2):
        x = GroupedConv2D(8, 3, strides=stride, padding="same", groups=4, use_bias=False)(x)
        x = BatchNormalization(momentum=0.5)(x)
        x = keras.layers.ReLU()(x)
    model = keras.Model(inputs, x)
    model(random_images(8, *SHAPE), training=True)
    model.export(tmp_path / "saved", verbose=False)
    return model, tmp_path / "saved"


@pytest.mark.parametrize("quantized", [False, True])
def test_tflite_holds_plain_convolutions(network: tuple[Any, Path], quantized: bool) -> None:
    model, path = network
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path))
    images = random_images(16, *SHAPE)
    if quantized:

        def calibration() -> Iterator[list[np.ndarray]]:
            yield from ([image[None]] for image in images)

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    kinds = [op["op_name"] for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]
    assert kinds == (["QUANTIZE", "CONV_2D", "CONV_2D", "DEQUANTIZE"] if quantized else ["CONV_2D", "CONV_2D"])
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images[:1])
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = model.predict(images[:1], verbose=0)
    # float32 sums in another order; int8 has 1 / 255 of each map's range, through two layers.
    np.testing.assert_allclose(found, expected, atol=(0.03 if quantized else 1e-5) * expected.max())


def test_saved_model_runs_without_onednn(network: tuple[Any, Path], tmp_path: Path) -> None:
    model, path = network
    images = random_images(2, *SHAPE)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "expected.npy", model.predict(images, verbose=0))
    code = f"""
import numpy as np, tensorflow as tf
images, expected = (np.load(r"{tmp_path}" + name) for name in ("/images.npy", "/expected.npy"))
loaded = tf.saved_model.load(r"{path}")
found = loaded.serve(images)
np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())
print("equal")
"""
    assert run_python(code, TF_ENABLE_ONEDNN_OPTS="0") == "equal"
