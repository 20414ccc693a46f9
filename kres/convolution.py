"""2D convolutions: grouped ones that train at the native op's speed, and ones with standardized kernels."""

from typing import Any

import keras

from kres import kernels


@keras.saving.register_keras_serializable(package="kres")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, same arguments and results, with the fast grouped kernel for channels-last inputs."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution of `inputs` (n, h, w, c), before bias and activation; Keras calls this."""
        if self.groups == 1 or self.data_format == "channels_first":
            return super().convolution_op(inputs, kernel)
        return kernels.grouped_conv2d(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            groups=self.groups,
        )


@keras.saving.register_keras_serializable(package="kres")
class StandardizedConv2D(GroupedConv2D):
    """`GroupedConv2D` with each output channel's kernel brought to mean 0 and variance 1: Qiao et al. 2019, arXiv
    1903.10520. `epsilon` joins the variance under the root.
    """

    def __init__(
        self, filters: int, kernel_size: int | tuple[int, int], *, epsilon: float = 1e-8, **kwargs: Any
    ) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        self.epsilon = epsilon

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution of `inputs` (n, h, w, c) with the standardized kernel; Keras calls this."""
        return super().convolution_op(inputs, self.standardized(kernel))

    def standardized(self, kernel: Any) -> Any:
        """`kernel` (kh, kw, c / groups, out) standardized, in float32, and back in its own type."""
        dtype = keras.backend.standardize_dtype(kernel.dtype)
        kernel = keras.ops.cast(kernel, keras.backend.result_type(dtype, "float32"))
        centred = kernel - keras.ops.mean(kernel, axis=(0, 1, 2), keepdims=True)
        variance = keras.ops.mean(keras.ops.square(centred), axis=(0, 1, 2), keepdims=True)
        return keras.ops.cast(centred / keras.ops.sqrt(variance + self.epsilon), dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON holds them."""
        return {**super().get_config(), "epsilon": self.epsilon}
