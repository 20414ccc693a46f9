"""The layers that networks are made of: the one place for padding, epsilon, initial values and names.

Each function puts one layer, with the padding it needs, on a symbolic map `x` (n, h, w, c).
"""

import math
from typing import Any

import keras
import numpy as np

from kres.convolution import GroupedConv2D, StandardizedConv2D
from kres.initialization import HeNormal
from kres.normalization import BatchNormalization, FrozenBatchNormalization
from kres.specs import Spec

Tensor = Any

# PyTorch's default for a linear layer.
_HEAD = {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"}
_NORM_GROUPS = 32


def conv(
    x: Tensor,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    bias: bool = False,
    standardization: float | None = None,
    zero_init: bool = False,
    name: str,
) -> Tensor:
    """A convolution whose zero padding is symmetric at every stride, as PyTorch's is and Keras's `same` is not.

    `standardization` is the epsilon of its kernel's standardization, or None.
    """
    pad = kernel_size // 2
    explicit = pad > 0 and stride > 1
    if explicit:
        x = keras.layers.ZeroPadding2D(pad, name=f"{name}_pad")(x)
    options = {
        "strides": stride,
        "padding": "valid" if explicit else "same",
        "dilation_rate": dilation,
        "groups": groups,
        "use_bias": bias,
        "kernel_initializer": "zeros" if zero_init else HeNormal(),
        "name": name,
    }
    if standardization is not None:
        return StandardizedConv2D(filters, kernel_size, epsilon=standardization, **options)(x)
    layer = keras.layers.Conv2D if groups == 1 else GroupedConv2D
    return layer(filters, kernel_size, **options)(x)


def norm(x: Tensor, *, spec: Spec, zero_init: bool = False, name: str) -> Tensor:
    """The normalization that the Spec names; with `zero_init` its gamma starts at zero."""
    gamma = "zeros" if zero_init else "ones"
    if spec.norm == "group":
        # Where the channels are no multiple of 32, as many groups as divide both.
        groups = math.gcd(_NORM_GROUPS, x.shape[-1])
        layer = keras.layers.GroupNormalization(groups, epsilon=spec.norm_epsilon, gamma_initializer=gamma, name=name)
        return layer(x)
    options = {"epsilon": spec.norm_epsilon, "momentum": spec.norm_momentum, "gamma_initializer": gamma, "name": name}
    if spec.norm == "frozen_batch":
        return FrozenBatchNormalization(**options)(x)
    return BatchNormalization(synchronized=spec.norm == "sync_batch", **options)(x)


def act(x: Tensor, activation: str, *, name: str) -> Tensor:
    """An activation, by Keras's name for it."""
    if activation == "relu":
        return keras.layers.ReLU(name=name)(x)
    return keras.layers.Activation(activation, name=name)(x)


def dropout(x: Tensor, rate: float, *, name: str) -> Tensor:
    """Single values left out in training, a share of `rate`; without a rate, `x` itself."""
    return keras.layers.Dropout(rate, name=name)(x) if rate else x


def drop_path(x: Tensor, rate: float, *, name: str) -> Tensor:
    """Whole images' branches left out in training (Huang et al. 2016, arXiv 1603.09382), the others scaled up."""
    return keras.layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=name)(x) if rate else x


def add(x: Tensor, y: Tensor, *, name: str) -> Tensor:
    """The sum that makes a block residual."""
    return keras.layers.Add(name=name)([x, y])


def max_pool(x: Tensor, *, zero_pad: bool = True, before: int = 1, name: str) -> Tensor:
    """Max-pool 3x3, stride 2, one position of padding behind the map and `before` of them before it.

    With `zero_pad` the padding counts as zeros. Without, it does not count, as in PyTorch: then the maximum is taken at
    every position, where Keras's `same` padding is symmetric, and every second one is kept.
    """
    if zero_pad:
        x = keras.layers.ZeroPadding2D(((before, 1), (before, 1)), name=f"{name}_pad")(x)
        return keras.layers.MaxPooling2D(3, strides=2, name=name)(x)
    return subsample(dense_max_pool(x, name=f"{name}_max"), stride=2, name=name)


def dense_max_pool(x: Tensor, *, name: str) -> Tensor:
    """Max-pool 3x3 at every position; what lies outside the map does not count."""
    return keras.layers.MaxPooling2D(3, strides=1, padding="same", name=name)(x)


def average_pool(x: Tensor, *, stride: int, name: str) -> Tensor:
    """Average 2x2 before a projection, stride 2 or, in a dilated network, 1: as timm has it.

    At stride 2 an odd map's last row and column are averaged alone. At stride 1 zeros stand beyond them, and count.
    """
    if stride == 1:
        x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
        return keras.layers.AveragePooling2D(2, strides=1, name=name)(x)
    return keras.layers.AveragePooling2D(2, strides=stride, padding="same", name=name)(x)


def antialias(x: Tensor, kind: str, *, stride: int, padding: str = "same", name: str) -> Tensor:
    """A filter, `avg` or `blur`, that strides.

    An odd map's last row and column are averaged alone, as on the shortcut, or with `valid` padding left out.
    """
    if kind == "blur":
        return BlurPool2D(stride, name=name)(x)
    return keras.layers.AveragePooling2D(stride, padding=padding, name=name)(x)


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


@keras.saving.register_keras_serializable(package="kres")
class BlurPool2D(keras.layers.Layer):
    """A 3x3 binomial filter on (n, h, w, c) and a stride, the border reflected: Zhang 2019, arXiv 1904.11486."""

    def __init__(self, strides: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strides = strides

    @property
    def kernel(self) -> np.ndarray:
        """The filter (3, 3) of every channel."""
        row = np.array([1.0, 2.0, 1.0]) / 4
        return np.outer(row, row)

    def call(self, inputs: Tensor) -> Tensor:
        """(n, h, w, c) -> (n, ceil(h / strides), ceil(w / strides), c)."""
        kernel = np.broadcast_to(self.kernel[:, :, None, None], (3, 3, inputs.shape[-1], 1))
        padded = keras.ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        kernel = keras.ops.convert_to_tensor(kernel, dtype=inputs.dtype)
        return keras.ops.depthwise_conv(
            padded, kernel, strides=self.strides, padding="valid", data_format="channels_last"
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape with its height and width over `strides`; ValueError where nothing can be reflected."""
        sides = input_shape[1:3]
        if any(side is not None and side < 2 for side in sides):
            raise ValueError(f"A blurred map has at least 2x2 positions. Received: input_shape={tuple(input_shape)}")
        reduced = (None if side is None else -(-side // self.strides) for side in sides)
        return (input_shape[0], *reduced, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON holds them."""
        return {**super().get_config(), "strides": self.strides}
