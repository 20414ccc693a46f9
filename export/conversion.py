"""From a Keras model to TensorFlow's TFLite converter: one float32 graph of fixed shape, errors that name a layer."""

import warnings
from typing import Any

import keras
import numpy as np

import kres
from kres.export.graph import rewritten

FLOAT32 = "float32"


def check_model(model: keras.Model) -> None:
    """Raise ValueError unless `model` has one image input of a fixed size and one output, on the TensorFlow backend."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"export needs Keras's TensorFlow backend. Received: {keras.backend.backend()}")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        counts = f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
        raise ValueError(f"export takes a model of one input and one output. Received: {counts}")
    if None in model.inputs[0].shape[1:]:
        received = tuple(model.inputs[0].shape)
        raise ValueError(f"export needs a fixed image size: build with input_shape=(h, w, c). Received: {received}")
    for variable in model.variables:
        if not np.isfinite(variable.value.numpy().astype(np.float32)).all():
            raise ValueError(f"export needs finite weights. Received: NaN or infinity in {variable.path}")


def float32_twin(model: keras.Model) -> keras.Model:
    """Give the model itself where it computes in float32, else a float32 model with the same weights."""
    if all(layer.compute_dtype == FLOAT32 for layer in model.layers):
        return model
    if isinstance(model, kres.ResNet):
        policy = keras.dtype_policies.serialize(keras.DTypePolicy(FLOAT32))
        twin = type(model).from_config({**model.get_config(), "dtype": policy})
    else:
        twin = keras.models.clone_model(
            model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": FLOAT32})
        )
    twin.set_weights(model.get_weights())
    return twin


def serving_function(model: keras.Model, *, batch: int | None) -> Any:
    """Give a traced function from (batch, h, w, c) float32 images to the model's output in inference mode."""
    import tensorflow as tf

    shape = (batch, *model.inputs[0].shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="image")], autograph=False)
    def serve(image: Any) -> dict[str, Any]:
        return {"output": model(image, training=False)}

    return serve


def converter(model: keras.Model) -> Any:
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
    """Run the converter and suit the graph to XNNPACK; raises ValueError that names operators TFLite does not have."""
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        with warnings.catch_warnings():
            # Said of every full-integer conversion: it asks for the statistics that calibration is about to collect.
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
            content = converter.convert()
    except ConverterError as error:
        raise ValueError(_unsupported(error)) from error
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
