"""Stochastic gradient descent and the learning-rate schedule as the residual papers (and Caffe) have them."""

from typing import Any

import keras
import tensorflow as tf


class WarmupStepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A linear ramp over `warmup_steps`, then `learning_rate` times `decay_factor` for each boundary reached."""

    def __init__(
        self,
        learning_rate: float,
        *,
        warmup_steps: int = 0,
        warmup_learning_rate: float = 0.0,
        decay_at_steps: tuple[int, ...] = (),
        decay_factor: float = 0.1,
    ) -> None:
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.warmup_learning_rate = warmup_learning_rate
        self.decay_at_steps = tuple(decay_at_steps)
        self.decay_factor = decay_factor

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate () float32 of the update after `step` () finished ones."""
        done = tf.cast(step, tf.float32)
        rate = tf.constant(self.learning_rate, tf.float32)
        if self.decay_at_steps:
            reached = tf.reduce_sum(tf.cast(done >= tf.constant(self.decay_at_steps, tf.float32), tf.float32))
            rate = rate * self.decay_factor**reached
        if self.warmup_steps:
            share = (done + 1.0) / (self.warmup_steps + 1.0)
            ramp = self.warmup_learning_rate + (self.learning_rate - self.warmup_learning_rate) * share
            rate = tf.where(done < self.warmup_steps, ramp, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "warmup_learning_rate": self.warmup_learning_rate,
            "decay_at_steps": self.decay_at_steps,
            "decay_factor": self.decay_factor,
        }


class SGD(keras.optimizers.Optimizer):
    """v <- momentum * v - rate * (gradient + l2 * w), w <- w + v: Caffe's form, which He et al. 2015 used.

    `l2` acts on tensors of more than one dimension alone: kernels decay, biases and norms do not. (Keras's own
    `SGD(weight_decay=)` decays outside the momentum: another recipe.) One kernel updates weight and velocity together,
    because nodes are what a net of a thousand layers pays for.
    """

    def __init__(self, schedule: WarmupStepDecay, *, momentum: float, l2: float, name: str = "sgd") -> None:
        super().__init__(learning_rate=schedule, name=name)
        self.schedule = schedule
        self.momentum = momentum
        self.l2 = l2
        self.velocities: list[keras.Variable] = []

    def build(self, variables: list[keras.Variable]) -> None:
        """Create one velocity a variable."""
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable (on one device) in place."""
        velocity = self.velocities[self._get_variable_index(variable)].value
        if self.l2 and variable.shape.rank > 1:
            gradient = gradient + self.l2 * variable
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=velocity.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=gradient,
            momentum=tf.constant(self.momentum, variable.dtype),
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, those of the schedule under `schedule`."""
        return {
            "schedule": self.schedule.get_config(),
            "momentum": self.momentum,
            "l2": self.l2,
            "name": self.name,
        }
