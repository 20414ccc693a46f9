"""Learning rates over a run, counted in updates."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras
import tensorflow as tf

from kres.training.settings import parts


@keras.saving.register_keras_serializable(package="kres")
class RateSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A warm-up, then `learning_rate` as it decays to the end of the run.

    Called with the number of finished updates, it gives the rate of the next one. A linear warm-up of m updates begins
    at `warmup_learning_rate` and would reach `learning_rate` at the update after m finished ones, where the decay takes
    over. (torchvision's and timm's warm-ups take the same line, a step an epoch.)

    Args:
        kind: `constant`; `step`: times `decay_factor` from each of `decay_at_steps` on, which count from the start of
            the run; `cosine`: half a period down to `end_learning_rate` (Loshchilov & Hutter 2017, arXiv 1608.03983);
            `polynomial`: (1 - t) ** `power` down to it.
        learning_rate: what the decay starts from.
        steps: updates of the run.
        warmup_steps: updates of the warm-up.
        warmup_kind: `linear`, or `constant` at `warmup_learning_rate` (He et al. 2015, section 4.2).
        warmup_learning_rate: see above.
        decay_span: what `cosine` and `polynomial` spread over: `after_warmup` (torchvision's reference, MMPretrain) or
            `whole_run`, of which the warm-up then hides the first part (timm, the TensorFlow model garden).
        decay_at_steps: numbers of finished updates.
        decay_factor: see above.
        power: see above.
        end_learning_rate: see above.

    Raises:
        ValueError: an unknown kind or span, or a warm-up that is not shorter than the run.
    """

    def __init__(
        self,
        kind: parts.ScheduleKind,
        learning_rate: float,
        *,
        steps: int,
        warmup_steps: int = 0,
        warmup_kind: Literal["linear", "constant"] = "linear",
        warmup_learning_rate: float = 0.0,
        decay_span: Literal["after_warmup", "whole_run"] = "after_warmup",
        decay_at_steps: tuple[int, ...] = (),
        decay_factor: float = 0.1,
        power: float = 1.0,
        end_learning_rate: float = 0.0,
    ) -> None:
        choices = {
            "kind": (kind, tuple(_DECAYS)),
            "warmup_kind": (warmup_kind, ("linear", "constant")),
            "decay_span": (decay_span, ("after_warmup", "whole_run")),
        }
        for name, (value, allowed) in choices.items():
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}. Received: {name}={value!r}")
        if not 0 <= warmup_steps < steps:
            raise ValueError(f"warmup_steps must lie in 0..{steps - 1}. Received: warmup_steps={warmup_steps}")
        self.kind = kind
        self.learning_rate = learning_rate
        self.steps = steps
        self.warmup_steps = warmup_steps
        self.warmup_kind = warmup_kind
        self.warmup_learning_rate = warmup_learning_rate
        self.decay_span = decay_span
        self.decay_at_steps = tuple(decay_at_steps)
        self.decay_factor = decay_factor
        self.power = power
        self.end_learning_rate = end_learning_rate

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate () float32 of the update after `step` () finished ones."""
        done = tf.cast(step, tf.float32)
        rate = _DECAYS[self.kind](self, done)
        if not self.warmup_steps:
            return rate
        return tf.where(done < self.warmup_steps, self._warmup(done), rate)

    def share(self, done: tf.Tensor) -> tf.Tensor:
        """Which part () in 0..1 of the decay's span is over after `done` () updates."""
        start = self.warmup_steps if self.decay_span == "after_warmup" else 0
        return tf.clip_by_value((done - start) / (self.steps - start), 0.0, 1.0)

    def _warmup(self, done: tf.Tensor) -> tf.Tensor:
        start = self.warmup_learning_rate
        if self.warmup_kind == "constant":
            return tf.fill(tf.shape(done), start)
        return start + (self.learning_rate - start) * done / self.warmup_steps

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "kind": self.kind,
            "learning_rate": self.learning_rate,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "warmup_kind": self.warmup_kind,
            "warmup_learning_rate": self.warmup_learning_rate,
            "decay_span": self.decay_span,
            "decay_at_steps": self.decay_at_steps,
            "decay_factor": self.decay_factor,
            "power": self.power,
            "end_learning_rate": self.end_learning_rate,
        }


def make_schedule(schedule: parts.Schedule, *, steps: int, steps_per_unit: float, batch_size: int) -> RateSchedule:
    """The learning rates of a run of `steps` updates of `batch_size` images.

    `steps_per_unit` is how many updates make one of the schedule's units: 1, or those of an epoch.
    """
    scale = 1.0 if schedule.per_images is None else batch_size / schedule.per_images
    return RateSchedule(
        schedule.kind,
        schedule.learning_rate * scale,
        steps=steps,
        # Rounded, the warm-up of a run of a few updates may be all of it.
        warmup_steps=min(round(schedule.warmup * steps_per_unit), steps - 1),
        warmup_kind=schedule.warmup_kind,
        warmup_learning_rate=schedule.warmup_learning_rate * scale,
        decay_span=schedule.decay_span,
        decay_at_steps=tuple(round(at * steps_per_unit) for at in schedule.decay_at),
        decay_factor=schedule.decay_factor,
        power=schedule.power,
        end_learning_rate=schedule.end_learning_rate * scale,
    )


def _constant(schedule: RateSchedule, done: tf.Tensor) -> tf.Tensor:
    return tf.fill(tf.shape(done), schedule.learning_rate)


def _step(schedule: RateSchedule, done: tf.Tensor) -> tf.Tensor:
    reached = tf.add_n([tf.cast(done >= at, tf.float32) for at in schedule.decay_at_steps] or [tf.zeros_like(done)])
    return schedule.learning_rate * tf.pow(schedule.decay_factor, reached)


def _cosine(schedule: RateSchedule, done: tf.Tensor) -> tf.Tensor:
    height = 0.5 * (1.0 + tf.cos(math.pi * schedule.share(done)))
    return schedule.end_learning_rate + (schedule.learning_rate - schedule.end_learning_rate) * height


def _polynomial(schedule: RateSchedule, done: tf.Tensor) -> tf.Tensor:
    height = tf.pow(1.0 - schedule.share(done), schedule.power)
    return schedule.end_learning_rate + (schedule.learning_rate - schedule.end_learning_rate) * height


_DECAYS: Mapping[parts.ScheduleKind, Callable[[RateSchedule, tf.Tensor], tf.Tensor]] = {
    "constant": _constant,
    "step": _step,
    "cosine": _cosine,
    "polynomial": _polynomial,
}
