"""Stochastic gradient descent with momentum and L2, in Caffe's form and in PyTorch's."""

from typing import Any, ClassVar, Literal

import keras
import tensorflow as tf

from kres.training.optimisation.base import Optimizer

MomentumForm = Literal["caffe", "torch"]


@keras.saving.register_keras_serializable(package="kres")
class SGD(Optimizer):
    """Momentum over the gradient plus `weight_decay` times the weight: the L2 term of the residual papers.

    With g = gradient + weight_decay * w, Caffe's form is v <- momentum * v - rate * g, w <- w + v, with the rate inside
    the velocity (He et al. 2015 and 2016 trained so, and Keras's SGD has that form); PyTorch's is
    v <- momentum * v + g, w <- w - rate * v, with the rate outside. They are equal while the rate is constant. Where it
    changes, PyTorch's is what Caffe's is under the momentum correction of Goyal et al. 2017 (section 3): torchvision,
    timm and ResNeXt's Torch code have it. With `nesterov` the weight moves by one more momentum step of the new
    velocity, as it does in both.

    (Keras's own `SGD(weight_decay=)` decays outside the momentum: another recipe.) One kernel updates weight and
    velocity together, because nodes are what a net of a thousand layers pays for.
    """

    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        momentum_form: MomentumForm = "caffe",
        weight_decay: float = 0.0,
        decay_norms_and_biases: bool = False,
        name: str = "sgd",
    ) -> None:
        super().__init__(
            learning_rate, weight_decay=weight_decay, decay_norms_and_biases=decay_norms_and_biases, name=name
        )
        if momentum_form not in _KERNELS:
            raise ValueError(
                f"momentum_form must be one of {', '.join(_KERNELS)}. Received: momentum_form={momentum_form!r}"
            )
        self.momentum = momentum
        self.nesterov = nesterov
        self.momentum_form = momentum_form

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable (on one device) in place."""
        _KERNELS[self.momentum_form](
            var=variable.handle,
            accum=self.slot("velocity", variable).handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=self.direction(gradient, variable),
            momentum=tf.constant(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )

    def direction(self, gradient: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
        """What joins the velocity."""
        if self.decay and self.is_regular(variable):
            return gradient + self.decay * variable
        return gradient

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"momentum": self.momentum, "nesterov": self.nesterov, "momentum_form": self.momentum_form}
        return super().get_config() | own


_KERNELS = {"caffe": tf.raw_ops.ResourceApplyKerasMomentum, "torch": tf.raw_ops.ResourceApplyMomentum}
