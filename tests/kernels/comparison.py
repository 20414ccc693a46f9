"""A kres layer and Keras's own on the same values: outputs, gradients and state."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Largest difference allowed, as a share of the largest magnitude: float32 sums in another order; half precision
# rounds to 2 ** -9 (bfloat16) or 2 ** -12 (float16) at every operation, and a gradient passes a few.
TOLERANCES = {"float32": 1e-5, "float64": 1e-12, "mixed_bfloat16": 2**-6, "mixed_float16": 2**-9}


def random_images(*shape: int, seed: int = 0) -> np.ndarray:
    """Values (n, h, w, c) away from zero mean and unit variance, which would hide a missing statistic."""
    return np.random.default_rng(seed).normal(0.7, 2.0, shape).astype("float32")


def twins(own: type, stock: type, *, input_shape: tuple[Any, ...], **arguments: Any) -> tuple[Any, Any]:
    """One layer of each class with the same random weights."""
    layers = [cls(**arguments) for cls in (own, stock)]
    random = np.random.default_rng(1)
    layers[0].build(input_shape)
    layers[1].build(input_shape)
    # Positive, because one of them is a variance.
    layers[0].set_weights([random.uniform(0.2, 2.0, weight.shape) for weight in layers[0].weights])
    layers[1].set_weights(layers[0].get_weights())
    return layers[0], layers[1]


def observe(
    layer: Any, inputs: np.ndarray, *, training: bool | None = None, dynamic: bool = False, jit: bool = False
) -> dict[str, np.ndarray]:
    """Outputs, gradients (input and trainable weights) and weights after one call inside a tf.function."""
    takes_training = "training" in layer.call.__code__.co_varnames

    def step(images: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=training) if takes_training else layer(images)
            # The mean, because a sum of cubes overflows in float16.
            loss = tf.reduce_mean(tf.cast(outputs, images.dtype) ** 3)
        return outputs, tape.gradient(loss, [images, *(v.value for v in layer.trainable_variables)])

    images = tf.constant(inputs, layer.variable_dtype)
    shape = [None, *inputs.shape[1:]] if dynamic else inputs.shape
    function = tf.function(step, input_signature=[tf.TensorSpec(shape, images.dtype)], jit_compile=jit)
    outputs, gradients = function(images)
    names = ["input", *(variable.name for variable in layer.trainable_variables)]
    seen = {f"gradient of {name}": value for name, value in zip(names, gradients, strict=True)}
    seen |= {variable.name: variable.value for variable in layer.weights}
    return {name: keras.ops.convert_to_numpy(value) for name, value in {"outputs": outputs, **seen}.items()}


def assert_same(own: dict[str, np.ndarray], stock: dict[str, np.ndarray], tolerance: float) -> None:
    """Every array of the one within `tolerance` of the other's largest magnitude."""
    assert own.keys() == stock.keys()
    for name, expected in stock.items():
        assert own[name].dtype == expected.dtype, name
        wanted = expected.astype("float64")
        difference = np.max(np.abs(own[name].astype("float64") - wanted))
        assert difference <= tolerance * np.max(np.abs(wanted)), f"{name}: off by {difference}"
