"""What can be exported: a Keras model of one image of a fixed size, in float32, its batch norms folded."""

import dataclasses
import logging
from typing import Any

import keras
import numpy as np

import kres
from kres.scopes import recursion_for

FLOAT32 = "float32"

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


def without_norms(model: keras.Model) -> keras.Model:
    """Give a model without the batch norms that fold (`kres.fuse`), or the model itself where none does.

    What cannot be folded here is left to the converters, so that a model which `kres.fuse` cannot copy exports too.
    """
    try:
        return kres.fuse(model)
    except (ValueError, TypeError, NotImplementedError) as error:
        logger.info("%s is exported as it is: %s", model.name, error)
        return model
