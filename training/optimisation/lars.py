"""LARS: SGD whose rate is set a tensor."""

from typing import Any

import keras
import tensorflow as tf

from kres.training.optimisation.base import norm, trust_ratio
from kres.training.optimisation.sgd import SGD, MomentumForm


@keras.saving.register_keras_serializable(package="kres")
class LARS(SGD):
    """Layer-wise adaptive rate scaling (You, Gitman & Ginsburg 2017, arXiv 1708.03888, algorithm 1).

    A tensor's gradient and decay are multiplied by trust * |w| / (|gradient| + weight_decay * |w|) before they join the
    velocity. Tensors of one dimension go without ratio and decay, unless `decay_norms_and_biases`; so does the ratio
    where a norm is zero.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        trust: float = 0.001,
        momentum: float = 0.9,
        nesterov: bool = False,
        momentum_form: MomentumForm = "caffe",
        weight_decay: float = 0.0,
        decay_norms_and_biases: bool = False,
        name: str = "lars",
    ) -> None:
        super().__init__(
            learning_rate,
            momentum=momentum,
            nesterov=nesterov,
            momentum_form=momentum_form,
            weight_decay=weight_decay,
            decay_norms_and_biases=decay_norms_and_biases,
            name=name,
        )
        self.trust = trust

    def direction(self, gradient: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
        """What joins the velocity."""
        if not self.is_regular(variable):
            return gradient
        weight = tf.convert_to_tensor(variable)
        weight_norm, gradient_norm = norm(weight), norm(gradient)
        ratio = trust_ratio(self.trust * weight_norm, gradient_norm + self.decay * weight_norm)
        return ratio * (gradient + self.decay * weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"trust": self.trust}
