"""LAMB: Adam whose rate is set a tensor."""

import keras
import tensorflow as tf

from kres.training.optimisation.adaptive import Adaptive
from kres.training.optimisation.base import norm, trust_ratio


@keras.saving.register_keras_serializable(package="kres")
class LAMB(Adaptive):
    """You et al. 2020 (arXiv 1904.00962, algorithm 2) with corrected moments, as timm's `Lamb` has it.

    With u = mean / (sqrt(square) + epsilon) + weight_decay * w, w <- w - rate * (|w| / |u|) * u: the decay is inside
    the trust ratio. (Keras's `Lamb` decays outside.) Tensors of one dimension go without ratio and decay, unless
    `decay_norms_and_biases`: timm's adapts no tensor that does not decay, and ResNet strikes back (Wightman et al.
    2021, arXiv 2110.00476) trained with it. timm's also clips the gradient's global norm at 1 by itself; here that is
    the recipe's `clip_norm`.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        decay_norms_and_biases: bool = False,
        name: str = "lamb",
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
        mean, square = self.slot("mean", variable), self.slot("square", variable)
        mean_now = mean.assign_add((1.0 - self.beta_1) * (gradient - mean), read_value=True)
        square_now = square.assign_add((1.0 - self.beta_2) * (tf.square(gradient) - square), read_value=True)
        power_1, power_2 = self.powers()
        step = mean_now / (1.0 - power_1) / (tf.sqrt(square_now / (1.0 - power_2)) + self.epsilon)
        if self.is_regular(variable):
            weight = tf.convert_to_tensor(variable)
            step += self.decay * weight
            step *= trust_ratio(norm(weight), norm(step))
        variable.assign_sub(learning_rate * step)
