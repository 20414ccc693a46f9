"""Adam with decoupled weight decay."""

import keras
import tensorflow as tf

from kres.training.optimisation.adaptive import Adaptive


@keras.saving.register_keras_serializable(package="kres")
class AdamW(Adaptive):
    """w <- w - rate * weight_decay * w, and then Adam's step, as `torch.optim.AdamW` has it.

    (Loshchilov & Hutter 2019, arXiv 1711.05101, whose decay the schedule multiplies and the base rate does not.)
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decay_norms_and_biases: bool = False,
        name: str = "adamw",
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            decay_norms_and_biases=decay_norms_and_biases,
            name=name,
        )

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable (on one device) in place."""
        if self.decay and self.is_regular(variable):
            variable.assign_sub(learning_rate * self.decay * variable)
        power_1, power_2 = self.powers()
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self.slot("mean", variable).handle,
            v=self.slot("square", variable).handle,
            beta1_power=power_1,
            beta2_power=power_2,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            # The kernel adds it to the root of the moment before that is corrected.
            epsilon=self.epsilon * tf.sqrt(1.0 - power_2),
            grad=gradient,
        )
