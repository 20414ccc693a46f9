"""What Adam's descendants share: two moments, and the correction of their bias towards zero."""

from typing import Any, ClassVar

import keras
import tensorflow as tf

from kres.training.optimisation.base import Optimizer


class Adaptive(Optimizer):
    """An optimizer with Adam's moments (Kingma & Ba 2015, arXiv 1412.6980).

    Args:
        learning_rate: a number, or a schedule of it counted in updates.
        beta_1: decay of the gradient's moving average.
        beta_2: decay of its square's.
        epsilon: what is added to the root of the corrected second moment.
        weight_decay: what the subclass does with it is said there.
        decay_norms_and_biases: whether tensors of one dimension decay as well.
        name: the optimizer's.
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float,
        weight_decay: float = 0.0,
        decay_norms_and_biases: bool = False,
        name: str,
    ) -> None:
        super().__init__(
            learning_rate, weight_decay=weight_decay, decay_norms_and_biases=decay_norms_and_biases, name=name
        )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def powers(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Each beta () to the number of this update, counted from 1."""
        number = tf.cast(self.iterations.value, tf.float32) + 1.0
        return tf.pow(self.beta_1, number), tf.pow(self.beta_2, number)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
