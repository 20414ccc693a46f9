"""The operations that kres writes for itself, chosen once by Keras's backend.

`grouped_conv2d`, `fake_quantize` and `kept_float` exist everywhere. `batch_norm` is None where the backend has no fused
kernel to offer: there Keras's own layer is the right one.
"""

from typing import Any, Protocol

import keras


class BatchNorm(Protocol):
    """A fused batch normalization over the last axis, as `kres.kernels.tensorflow_norm.batch_norm` describes it."""

    def __call__(
        self,
        inputs: Any,
        gamma: Any,
        *,
        beta: Any,
        moving_mean: Any,
        moving_variance: Any,
        momentum: float,
        epsilon: float,
        training: bool,
    ) -> tuple[Any, Any, Any]:
        """The outputs, and the new moving mean and variance."""
        ...


batch_norm: BatchNorm | None
if keras.backend.backend() == "tensorflow":
    from kres.kernels.tensorflow_conv import grouped_conv2d
    from kres.kernels.tensorflow_fake_quant import extremes, fake_quantize, kept_float
    from kres.kernels.tensorflow_norm import batch_norm
else:
    from kres.kernels.generic import extremes, fake_quantize, grouped_conv2d, kept_float

    batch_norm = None

__all__ = ["BatchNorm", "batch_norm", "extremes", "fake_quantize", "grouped_conv2d", "kept_float"]
