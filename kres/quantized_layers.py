"""Layers that compute in float32 what int8 arithmetic will: activations and weights rounded to its steps."""

import math
from typing import Any, Literal, get_args

import keras

from kres import kernels
from kres.choices import check_choice
from kres.convolution import GroupedConv2D

Tensor = Any
RangeUpdates = Literal["none", "moving_average", "learned"]
WEIGHT_BITS = (4, 8)
STEPS = 255
"""Of an int8 range."""


@keras.saving.register_keras_serializable(package="kres")
class FakeQuantize(keras.layers.Layer):
    """Rounds activations to the 256 steps of a range, so that what follows sees what it will see in int8.

    The range is `bounds` where those are given, as of a softmax, whose int8 output has the same in every model. Else it
    is two weights, `low` and `high`, both 0 until they are set: in training they stay (`none`), follow the batches'
    extremes (`moving_average`; Jacob et al. 2018, arXiv 1712.05877, section 3.1) or learn by gradient (`learned`; its
    scale as in Esser et al. 2020, arXiv 1902.08153, section 2.2). Under a tf.distribute strategy the extremes are those
    of the whole batch, so that each replica has the ranges that one process would have.
    """

    def __init__(
        self,
        *,
        updates: RangeUpdates = "none",
        momentum: float = 0.99,
        bounds: tuple[float, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.updates = check_choice(updates, "updates", get_args(RangeUpdates))
        self.momentum = momentum
        self.bounds = None if bounds is None else tuple(bounds)

    def build(self, input_shape: Any) -> None:
        """Make the range's weights, where it has any."""
        if self.bounds is None:
            learned = self.updates == "learned"
            self.low = self.add_weight(shape=(), initializer="zeros", trainable=learned, name="low")
            self.high = self.add_weight(shape=(), initializer="zeros", trainable=learned, name="high")

    def call(self, inputs: Tensor, training: bool | None = None, follow: bool = True) -> tuple[Tensor, Tensor]:
        """The inputs, rounded, and the step () of the range; `follow` False for what the range shall not follow."""
        if self.bounds is None and training and follow and self.updates == "moving_average":
            for bound, extreme in zip((self.low, self.high), kernels.extremes(inputs), strict=True):
                bound.assign(self.momentum * bound + (1 - self.momentum) * extreme)
        low, high = self._range(math.prod(size or 1 for size in inputs.shape[1:]))
        return kernels.fake_quantize(inputs, low, high), (high - low) / STEPS

    def _range(self, values: int) -> tuple[Tensor, Tensor]:
        """The range, of an image's so many values, widened to hold the zero that padding and ReLU need exact."""
        bounds = self.bounds or (self.low, self.high)
        low, high = (keras.ops.convert_to_tensor(bound, "float32") for bound in bounds)
        if self.updates == "learned" and self.bounds is None:
            low, high = (_with_gradient(bound, 1 / math.sqrt(STEPS * values)) for bound in (low, high))
        return keras.ops.minimum(low, 0.0), keras.ops.maximum(high, 0.0)

    def compute_output_spec(self, inputs: Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """The input's shape and dtype, and a scalar."""
        return keras.KerasTensor(inputs.shape, inputs.dtype), keras.KerasTensor((), inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON holds them."""
        return {**super().get_config(), "updates": self.updates, "momentum": self.momentum, "bounds": self.bounds}


@keras.saving.register_keras_serializable(package="kres")
class KeptFloat(keras.layers.Layer):
    """Its inputs, behind a layer that stays in float32, for the TFLite converter to see that it does."""

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs."""
        return kernels.kept_float(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape


def _with_gradient(value: Tensor, share: float) -> Tensor:
    """`value`, whose gradient is multiplied by `share`."""
    return value * share + keras.ops.stop_gradient(value * (1 - share))


class RoundedKernel:
    """What the layers below share: kernel and bias as int8 arithmetic holds them, and no activation.

    The kernel is rounded to 2 ** `weight_bits` - 1 steps of its own size, symmetrically: with fewer than 8 bits to a
    coarser grid of int8's values, which every runtime of int8 computes with. The bias is rounded to whole numbers of
    the product of a step of the kernel and one of the input.
    """

    kernel: Any
    weight_bits: int
    per_channel = True
    """Whether each channel of the kernel has its own step, or all the same."""

    def call(self, inputs: Tensor, step: Tensor) -> Tensor:
        """The layer's outputs without an activation, for inputs rounded to that step ()."""
        kernel, unit = self.rounded_kernel()
        outputs = self.product(inputs, kernel)
        if not self.use_bias:  # type: ignore[attr-defined]
            return outputs
        unit = keras.ops.stop_gradient(unit * step)
        bias = keras.ops.convert_to_tensor(self.bias)  # type: ignore[attr-defined]
        rounded = keras.ops.round(bias / unit) * unit
        return keras.ops.add(outputs, bias + keras.ops.stop_gradient(rounded - bias))

    def rounded_kernel(self) -> tuple[Tensor, Tensor]:
        """The kernel as `flat` gives it, rounded, and its step, () or one a channel."""
        kernel = self.flat(self.kernel)
        axes = tuple(range(len(kernel.shape) - 1)) if self.per_channel else None
        largest = keras.ops.stop_gradient(keras.ops.max(keras.ops.abs(kernel), axis=axes))
        # Of a kernel of zeros too: int8 has no step of no size.
        unit = keras.ops.maximum(largest, 1e-6) / (2 ** (self.weight_bits - 1) - 1)
        rounded = kernels.fake_quantize(kernel, -127 * unit, 127 * unit, per_channel=self.per_channel, narrow=True)
        return rounded, unit

    def flat(self, kernel: Tensor) -> Tensor:
        """The kernel (..., c) with its output channels in the last axis."""
        return keras.ops.convert_to_tensor(kernel)

    def product(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """What the layer makes of inputs and a kernel as `flat` gives it."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON holds them."""
        return {**super().get_config(), "weight_bits": self.weight_bits}  # type: ignore[misc]


@keras.saving.register_keras_serializable(package="kres")
class QuantizedConv1D(RoundedKernel, keras.layers.Conv1D):
    """`keras.layers.Conv1D` on (n, w, c) with kernel and bias as int8 arithmetic holds them."""

    def __init__(self, *args: Any, weight_bits: int = 8, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weight_bits = weight_bits

    def flat(self, kernel: Tensor) -> Tensor:
        """(w, c, out) -> (1, w, c, out): TFLite has convolutions of two dimensions alone."""
        return keras.ops.expand_dims(kernel, 0)

    def product(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """The convolution."""
        outputs = keras.ops.conv(
            keras.ops.expand_dims(inputs, 1),
            kernel,
            strides=(1, *self.strides),
            padding=self.padding,
            dilation_rate=(1, *self.dilation_rate),
            data_format=self.data_format,
        )
        return keras.ops.squeeze(outputs, 1)


@keras.saving.register_keras_serializable(package="kres")
class QuantizedConv2D(RoundedKernel, GroupedConv2D):
    """`keras.layers.Conv2D` on (n, h, w, c), grouped or not, with kernel and bias as int8 arithmetic holds them."""

    def __init__(self, *args: Any, weight_bits: int = 8, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weight_bits = weight_bits

    def product(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """The convolution."""
        return self.convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable(package="kres")
class QuantizedDepthwiseConv2D(RoundedKernel, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` on (n, h, w, c) with kernel and bias as int8 arithmetic holds them."""

    def __init__(self, *args: Any, weight_bits: int = 8, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weight_bits = weight_bits

    def flat(self, kernel: Tensor) -> Tensor:
        """(h, w, c, multiplier) -> (h, w, c * multiplier)."""
        return keras.ops.reshape(kernel, (*kernel.shape[:2], -1))

    def product(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """The convolution."""
        return keras.ops.depthwise_conv(
            inputs,
            keras.ops.reshape(kernel, self.kernel.shape),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )


@keras.saving.register_keras_serializable(package="kres")
class QuantizedDense(RoundedKernel, keras.layers.Dense):
    """`keras.layers.Dense` on (n, ..., c) with kernel and bias as int8 arithmetic holds them.

    One step for the whole kernel: tflite-runtime 2.14 refuses a dense layer with a step a channel.
    """

    per_channel = False

    def __init__(self, *args: Any, weight_bits: int = 8, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weight_bits = weight_bits

    def product(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """The product."""
        return keras.ops.matmul(inputs, kernel)
