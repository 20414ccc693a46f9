"""A conversion of TensorFlow's own, for what kres changes in it."""

import numpy as np
import pytest
import tensorflow as tf

from kres.export import formats
from kres.export.conversion import converter


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
