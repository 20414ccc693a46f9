"""The layers that networks are made of: the one place for padding, epsilon, initial values and names.

Each function puts one layer, with the padding it needs, on a symbolic map `x` (n, h, w, c).
"""

from typing import Any

import keras

from kres.convolution import GroupedConv2D
from kres.initialization import HeNormal
from kres.normalization import BatchNormalization
from kres.specs import Spec

Tensor = Any

# PyTorch's default for a linear layer.
_HEAD = {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"}


def conv(
    x: Tensor,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    zero_init: bool = False,
    name: str,
) -> Tensor:
    """A convolution whose zero padding is symmetric at every stride, as PyTorch's is and Keras's `same` is not."""
    pad = kernel_size // 2
    explicit = pad > 0 and stride > 1
    if explicit:
        x = keras.layers.ZeroPadding2D(pad, name=f"{name}_pad")(x)
    layer = keras.layers.Conv2D if groups == 1 else GroupedConv2D
    return layer(
        filters,
        kernel_size,
        strides=stride,
        padding="valid" if explicit else "same",
        groups=groups,
        use_bias=bias,
        kernel_initializer="zeros" if zero_init else HeNormal(),
        name=name,
    )(x)


def norm(x: Tensor, *, spec: Spec, zero_init: bool = False, name: str) -> Tensor:
    """Batch normalization; with `zero_init` its gamma starts at zero."""
    return BatchNormalization(
        epsilon=spec.norm_epsilon,
        momentum=spec.norm_momentum,
        gamma_initializer="zeros" if zero_init else "ones",
        name=name,
    )(x)


def act(x: Tensor, *, name: str) -> Tensor:
    """The activation: ReLU."""
    return keras.layers.ReLU(name=name)(x)


def add(x: Tensor, y: Tensor, *, name: str) -> Tensor:
    """The sum that makes a block residual."""
    return keras.layers.Add(name=name)([x, y])


def max_pool(x: Tensor, *, zero_pad: bool, name: str) -> Tensor:
    """Max-pool 3x3, stride 2, one position of padding at each side.

    With `zero_pad` the padding counts as zeros. Without, it does not count, as in PyTorch: then the maximum is taken at
    every position, where Keras's `same` padding is symmetric, and every second one is kept.
    """
    if zero_pad:
        x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        return keras.layers.MaxPooling2D(3, strides=2, name=name)(x)
    x = keras.layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_max")(x)
    return subsample(x, stride=2, name=name)


def subsample(x: Tensor, *, stride: int, name: str) -> Tensor:
    """Every `stride`-th position of both axes."""
    return keras.layers.MaxPooling2D(1, strides=stride, name=name)(x)


def pad_channels(x: Tensor, channels: int, *, name: str) -> Tensor:
    """Zero maps appended until there are `channels`."""
    return PadChannels(channels, name=name)(x)


def head(x: Tensor, classes: int, *, activation: Any, name: str) -> Tensor:
    """The classifier (n, c) -> (n, classes); in float32 at least, under mixed precision too."""
    return keras.layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=keras.initializers.VarianceScaling(**_HEAD),
        dtype=keras.backend.result_type(keras.config.dtype_policy().compute_dtype, "float32"),
        name=name,
    )(x)


@keras.saving.register_keras_serializable(package="kres")
class PadChannels(keras.layers.Layer):
    """Zero maps appended to (n, h, w, c) until there are `channels`: option A of He et al. 2015, section 3.3."""

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels

    def call(self, inputs: Tensor) -> Tensor:
        """(n, h, w, c) -> (n, h, w, channels)."""
        return keras.ops.pad(inputs, ((0, 0), (0, 0), (0, 0), (0, self.channels - inputs.shape[-1])))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape with `channels` in the last place; ValueError if the input has more of them."""
        if input_shape[-1] is None or self.channels < input_shape[-1]:
            raise ValueError(
                "`channels` is at least the input's, which is known: padding takes no map away. "
                f"Received: channels={self.channels}, input_shape={tuple(input_shape)}"
            )
        return (*input_shape[:-1], self.channels)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON holds them."""
        return {**super().get_config(), "channels": self.channels}
