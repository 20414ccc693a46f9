"""From a Keras model to TensorFlow's TFLite converter: one graph of built-in operators, errors that name a layer."""

import warnings
from typing import Any

import keras

from kres.export.conversion.graph import rewritten

PIXELS = "pixels"
"""Name of an input of raw grey levels, of a model and of its artifacts."""


class UnsupportedError(ValueError):
    """A format that does not have an operator of the model."""


def named_outputs(outputs: Any) -> dict[str, Any]:
    """Give a model's outputs by name, in the order that every format has them; the only one is called `output`."""
    found = {
        "_".join(["output", *(f"{key:02d}" if isinstance(key, int) else str(key) for key in path)]): tensor
        for path, tensor in keras.tree.flatten_with_path(outputs)
    }
    return {"output": next(iter(found.values()))} if len(found) == 1 else dict(sorted(found.items()))


def input_name(model: keras.Model) -> str:
    """Name an artifact's input: what holds raw pixels says so, wherever the file is taken."""
    return PIXELS if model.inputs[0].name == PIXELS else "image"


def serving_function(model: keras.Model, *, batch: int | None) -> Any:
    """Give a traced function from (batch, h, w, c) float32 images to the model's named outputs in inference mode."""
    import tensorflow as tf

    shape = (batch, *model.inputs[0].shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name=input_name(model))], autograph=False)
    def serve(image: Any) -> dict[str, Any]:
        return named_outputs(model(image, training=False))

    return serve


def tflite_converter(model: keras.Model) -> Any:
    """Give a TFLite converter for batch 1 that allows built-in operators alone."""
    import tensorflow as tf

    concrete = serving_function(model, batch=1).get_concrete_function()
    result = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    # By the default path a net of 400 blocks takes seven minutes, and the file answers NaN.
    result.experimental_lower_to_saved_model = False
    # Per-channel dense layers make FULLY_CONNECTED version 12, which tflite-runtime 2.14 refuses.
    result._experimental_disable_per_channel_quantization_for_dense_layers = True
    result.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return result


def convert(converter: Any) -> bytes:
    """Run the converter and suit the graph to XNNPACK; raises UnsupportedError that names operators TFLite lacks."""
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        with warnings.catch_warnings():
            # Said of every full-integer conversion: it asks for the statistics that calibration is about to collect.
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
            content = converter.convert()
    except ConverterError as error:
        raise UnsupportedError(_unsupported(error)) from error
    except RuntimeError as error:
        lines = dict.fromkeys(line for line in str(error).splitlines() if line.strip())
        raise UnsupportedError(f"TFLite conversion failed: {' '.join(lines)}") from error
    return rewritten(content)


def _unsupported(error: Any) -> str:
    found = {
        f"{entry.operator.name} at {entry.location.call[0].name}"
        for entry in error.errors
        if entry.operator.name and entry.location.call
    }
    if not found:
        return f"TFLite conversion failed: {str(error).strip().splitlines()[0]}"
    return f"a TFLite file may hold built-in operators alone. Received: {', '.join(sorted(found))}"
