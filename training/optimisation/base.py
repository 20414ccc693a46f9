"""What the update rules share: state beside each weight, and which weights decay."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf


class Optimizer(keras.optimizers.Optimizer):
    """A Keras optimizer whose rule is `update_step`, with decay by kind of tensor.

    Args:
        learning_rate: a number, or a schedule of it counted in updates.
        weight_decay: what the subclass does with it is said there.
        decay_norms_and_biases: whether tensors of one dimension (biases, and the scales of norms) decay as well.
            Goyal et al. 2017 (arXiv 1706.02677, section 5.3) and all that followed leave them out; the earlier
            recipes, in Caffe and Torch, did not.
        name: the optimizer's.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of the tensors that are kept beside each weight."""

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        weight_decay: float = 0.0,
        decay_norms_and_biases: bool = False,
        name: str,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name)
        # Not `weight_decay`: by that attribute Keras decays outside the rule.
        self.decay = weight_decay
        self.decay_norms_and_biases = decay_norms_and_biases
        self.state: dict[str, list[keras.Variable]] = {}

    @property
    def schedule(self) -> Callable[[int], tf.Tensor]:
        """The learning rate () as a function of the number of finished updates."""
        rate = self._learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            return rate
        return lambda step: self.learning_rate

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the state of each variable, all of it zeros."""
        if self.built:
            return
        super().build(variables)
        self.state = {name: self.add_optimizer_variables(variables, name) for name in self.slots}

    def slot(self, name: str, variable: tf.Variable) -> tf.Variable:
        """The tensor of that name beside `variable`."""
        return self.state[name][self._get_variable_index(variable)].value

    def is_regular(self, variable: tf.Variable) -> bool:
        """Whether decay, and where there is one a trust ratio, acts on `variable`."""
        return self.decay_norms_and_biases or variable.shape.rank > 1

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, a schedule serialized."""
        rate = super().get_config()["learning_rate"]
        return {
            "learning_rate": rate,
            "weight_decay": self.decay,
            "decay_norms_and_biases": self.decay_norms_and_biases,
            "name": self.name,
        }


def norm(tensor: tf.Tensor) -> tf.Tensor:
    """The Euclidean norm (), in fewer nodes than `tf.norm`."""
    return tf.sqrt(2.0 * tf.nn.l2_loss(tensor))


def trust_ratio(numerator: tf.Tensor, denominator: tf.Tensor) -> tf.Tensor:
    """The quotient () of two norms (); 1 where either is zero, so that a weight that starts at zero can leave it."""
    ratio = tf.math.divide_no_nan(numerator, denominator)
    return tf.where(ratio > 0.0, ratio, 1.0)
