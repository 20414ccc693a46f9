"""From a Keras model to TensorFlow's TFLite converter: one float32 graph of fixed shape, errors that name a layer."""

import dataclasses
import logging
import warnings
from typing import Any

import keras
import numpy as np

import kres
from kres.export.graph import rewritten
from kres.scopes import recursion_for

FLOAT32 = "float32"
PIXELS = "pixels"
"""Name of an input of raw grey levels, of a model and of its artifacts."""


class UnsupportedError(ValueError):
    """A format that does not have an operator of the model."""


logger = logging.getLogger("kres")


def check_model(model: keras.Model) -> None:
    """Raise ValueError unless `model` has one image input of a fixed size, on the TensorFlow backend."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"export needs Keras's TensorFlow backend. Received: {keras.backend.backend()}")
    _check_input(model)
    if None in model.inputs[0].shape[1:]:
        raise ValueError(
            "export needs a fixed image size: give image_size (on the command line --image-size), or build with "
            f"input_shape=(h, w, c). Received: {tuple(model.inputs[0].shape)}"
        )
    for variable in model.variables:
        if not np.isfinite(variable.value.numpy().astype(np.float32)).all():
            raise ValueError(f"export needs finite weights. Received: NaN or infinity in {variable.path}")


def _check_input(model: keras.Model) -> None:
    # An unbuilt model and one that is a class of somebody's own have no such attribute.
    inputs = getattr(model, "inputs", None)
    if not inputs:
        received = f"{type(model).__name__} {getattr(model, 'name', '')!r}"
        raise ValueError(f"export takes a functional model, or a Sequential one that is built. Received: {received}")
    if len(inputs) != 1:
        raise ValueError(f"export takes a model of one input. Received: {len(inputs)} inputs")


def sized(model: keras.Model, image_size: int | None) -> keras.Model:
    """Give the model itself where its image size is known, else one of the same weights for (n, s, s, c) images.

    Raises ValueError where `image_size` is given and the model has another.
    """
    if image_size is None:
        return model
    _check_input(model)
    *sides, channels = model.inputs[0].shape[1:]
    if not {None, image_size} >= set(sides):
        received = f"image_size={image_size} for {tuple(model.inputs[0].shape)}"
        raise ValueError(f"the image size of a model that has one cannot be changed. Received: {received}")
    if None not in sides:
        return model
    shape = (image_size, image_size, channels)
    if isinstance(model, kres.ResNet):
        preprocess = dataclasses.replace(model.preprocess, size=image_size).to_dict()
        twin = type(model).from_config({**model.get_config(), "input_shape": shape, "preprocess": preprocess})
    else:
        image = keras.Input(shape, dtype=model.inputs[0].dtype)
        with recursion_for(len(model.layers)):
            twin = keras.models.clone_model(_graph(model), input_tensors=image)
    twin.set_weights(model.get_weights())
    return twin


def float32_twin(model: keras.Model) -> keras.Model:
    """Give the model itself where it computes in float32, else a float32 model with the same weights."""
    if _is_float32(model):
        return model
    if isinstance(model, kres.ResNet):
        policy = keras.dtype_policies.serialize(keras.DTypePolicy(FLOAT32))
        twin = type(model).from_config({**model.get_config(), "dtype": policy})
    else:
        with recursion_for(len(model.layers)):
            twin = keras.models.clone_model(_graph(model), clone_function=_in_float32)
    twin.set_weights(model.get_weights())
    return twin


def _is_float32(model: keras.Model) -> bool:
    return all(
        _is_float32(layer) if isinstance(layer, keras.Model) else layer.compute_dtype == FLOAT32
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)  # computes nothing
    )


def _in_float32(layer: Any) -> Any:
    if isinstance(layer, keras.Model):
        return float32_twin(layer)
    # A bare operation such as `+` computes in its inputs' dtype.
    policy = {"dtype": FLOAT32} if isinstance(layer, keras.layers.Layer) else {}
    return type(layer).from_config({**layer.get_config(), **policy})


def _graph(model: keras.Model) -> keras.Model:
    """Give a model as Keras clones it: a class of somebody's own may be made from other things than layers."""
    if isinstance(model, keras.Sequential) or not hasattr(model, "operations"):
        return model
    return keras.Model(model.input, model.output, name=model.name)


def folded(model: keras.Model) -> keras.Model:
    """Give a model without the batch norms that fold (`kres.fuse`), or the model itself where none does.

    What cannot be folded here is left to the converters, so that a model which `kres.fuse` cannot copy exports too.
    """
    try:
        return kres.fuse(model)
    except (ValueError, TypeError, NotImplementedError) as error:
        logger.info("%s is exported as it is: %s", model.name, error)
        return model


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
