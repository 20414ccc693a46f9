"""Loss scaling for float16."""

from collections.abc import Callable

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="kres")
class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Keras's, which knows the schedule of the optimizer in it."""

    @property
    def schedule(self) -> Callable[[int], tf.Tensor]:
        """The learning rate () as a function of the number of finished updates."""
        return self.inner_optimizer.schedule
