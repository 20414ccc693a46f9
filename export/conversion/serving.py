"""SavedModels with a signature for tensors, and one that does the preprocessing too, for the bytes of image files."""

import logging
from pathlib import Path
from typing import Any

import keras

from kres.export.conversion.converter import named_outputs, serving_function
from kres.imagefiles import RGB, decode
from kres.preprocessing import Preprocess

TENSORS, BYTES = "serving_default", "serving_bytes"
logger = logging.getLogger("kres")


def write(
    model: keras.Model, path: Path, *, batch: int | None, preprocess: Preprocess | None, pixels: bool = False
) -> None:
    """Write a SavedModel: `serving_default` takes images (batch, h, w, c) as the model does, None for any batch.

    `serving_bytes` takes the bytes (batch,) of JPEG, PNG, BMP or GIF files, and resizes, crops and normalises them as
    `preprocess` says; with `pixels` the model normalises itself. Where no `preprocess` gives what the model takes,
    there is the first alone. Raises OSError where it cannot be written.
    """
    import tensorflow as tf

    module = tf.Module()
    # A plain list keeps the variables; tracking the Keras model itself recurses once a layer.
    module.weights = [variable.value for variable in model.variables]
    module.serve = serving_function(model, batch=batch)
    signatures = {TENSORS: module.serve}
    if preprocess is not None and _fits(preprocess, model):
        module.serve_bytes = bytes_function(model, preprocess, batch=batch, pixels=pixels)
        signatures[BYTES] = module.serve_bytes
    try:
        tf.saved_model.save(module, str(path), signatures=signatures)
    except tf.errors.OpError as error:
        # A disk that is full is an operation's failure to TensorFlow.
        raise OSError(f"a SavedModel cannot be written: {error.message}") from error


def _fits(preprocess: Preprocess, model: keras.Model) -> bool:
    """Say whether what `preprocess` makes of a colour picture is what the model takes."""
    *sides, channels = model.inputs[0].shape[1:]
    if channels != RGB:
        logger.info("No %s: image files are read in %d channels, and the model takes %d", BYTES, RGB, channels)
    elif sides != [preprocess.size] * 2:
        logger.warning("No %s: preprocessing gives %d pixels square, the input is %s", BYTES, preprocess.size, sides)
    else:
        return True
    return False


def bytes_function(model: keras.Model, preprocess: Preprocess, *, batch: int | None, pixels: bool) -> Any:
    """Give a traced function from the bytes (batch,) of image files to the model's named outputs."""
    import tensorflow as tf

    square = tf.TensorSpec((preprocess.size, preprocess.size, 3), tf.uint8)

    @tf.function(input_signature=[tf.TensorSpec((batch,), tf.string, name="image_bytes")], autograph=False)
    def serve_bytes(image_bytes: Any) -> dict[str, Any]:
        images = tf.map_fn(
            lambda encoded: preprocess.image_to_square(decode(encoded)), image_bytes, fn_output_signature=square
        )
        inputs = tf.cast(images, tf.float32) if pixels else preprocess(images)
        return named_outputs(model(inputs, training=False))

    return serve_bytes
