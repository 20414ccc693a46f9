"""Batch normalization that uses the backend's fused kernel where that equals Keras's layer, and else is Keras's."""

from typing import Any

import keras

from kres import kernels

FUSED_DTYPES = frozenset({"float32", "bfloat16", "float16"})


@keras.saving.register_keras_serializable(package="kres")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, same arguments and results, faster in training."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize `inputs`, and in training update the moving statistics; `mask` as in Keras."""
        fused = kernels.batch_norm
        if fused is None or mask is not None or not self._fits_fused_kernel(inputs, bool(training)):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = fused(
            inputs,
            self.gamma.value if self.scale else None,
            beta=self.beta.value if self.center else None,
            moving_mean=self.moving_mean.value,
            moving_variance=self.moving_variance.value,
            momentum=self.momentum,
            epsilon=self.epsilon,
            training=bool(training),
        )
        if training:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        return outputs

    def _fits_fused_kernel(self, inputs: Any, training: bool) -> bool:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if len(inputs.shape) != 4 or self.axis not in (-1, 3) or getattr(self, "renorm", False):
            return False
        if dtype not in FUSED_DTYPES or dtype != self.compute_dtype or self.variable_dtype != "float32":
            return False
        # A frozen layer in training needs the gradient of its input alone, which the kernel cannot give by itself:
        # Keras's element-wise form is twice as fast there, and deterministic on a GPU. Only Keras synchronizes.
        return not training or (self.trainable and not self.synchronized)


@keras.saving.register_keras_serializable(package="kres")
class FrozenBatchNormalization(BatchNormalization):
    """Batch normalization by the moving statistics alone, in training too, whatever a model's `trainable` says.

    Detection networks are fine-tuned so, on batches too small for statistics of their own.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "trainable": False})

    def build(self, input_shape: Any) -> None:
        """Make the variables, none of which trains."""
        super().build(input_shape)
        for variable in self.weights:
            variable.trainable = False

    @property
    def trainable(self) -> bool:
        """Never."""
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        """Nothing changes: a model sets it on all of its layers."""
