"""Update rules and learning-rate schedules as the papers and their reference code have them."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import keras

from kres.training.optimisation.adamw import AdamW
from kres.training.optimisation.base import Optimizer
from kres.training.optimisation.lamb import LAMB
from kres.training.optimisation.lars import LARS
from kres.training.optimisation.scaling import LossScaleOptimizer
from kres.training.optimisation.schedules import RateSchedule, make_schedule
from kres.training.optimisation.sgd import SGD
from kres.training.settings import parts

__all__ = [
    "LAMB",
    "LARS",
    "OPTIMIZERS",
    "SGD",
    "AdamW",
    "LossScaleOptimizer",
    "Optimizer",
    "RateSchedule",
    "make_optimizer",
    "make_schedule",
]

Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def _sgd(fields: parts.Optimizer, rate: Rate) -> Optimizer:
    return SGD(
        rate,
        momentum=fields.momentum,
        nesterov=fields.nesterov,
        momentum_form=fields.momentum_form,
        weight_decay=fields.weight_decay,
        decay_norms_and_biases=fields.decay_norms_and_biases,
    )


def _lars(fields: parts.Optimizer, rate: Rate) -> Optimizer:
    return LARS(
        rate,
        trust=fields.trust,
        momentum=fields.momentum,
        nesterov=fields.nesterov,
        momentum_form=fields.momentum_form,
        weight_decay=fields.weight_decay,
        decay_norms_and_biases=fields.decay_norms_and_biases,
    )


def _adaptive(cls: type[LAMB] | type[AdamW]) -> Callable[[parts.Optimizer, Rate], Optimizer]:
    def make(fields: parts.Optimizer, rate: Rate) -> Optimizer:
        return cls(
            rate,
            beta_1=fields.momentum,
            beta_2=fields.beta_2,
            epsilon=fields.epsilon,
            weight_decay=fields.weight_decay,
            decay_norms_and_biases=fields.decay_norms_and_biases,
        )

    return make


OPTIMIZERS: Mapping[parts.OptimizerKind, Callable[[parts.Optimizer, Rate], Optimizer]] = {
    "sgd": _sgd,
    "lars": _lars,
    "lamb": _adaptive(LAMB),
    "adamw": _adaptive(AdamW),
}


def make_optimizer(optimizer: parts.Optimizer, schedule: Rate, *, dtype: str = "float32") -> keras.optimizers.Optimizer:
    """The optimizer that a recipe names, at the learning rate of `schedule`, not yet built.

    Under the dtype policy `mixed_float16` it comes in Keras's LossScaleOptimizer: the loss is scaled by 2**15 at first,
    twice that after each 2,000 good updates, and half of it after an overflow, whose update is skipped. Clipping and
    accumulation are functions of `kres.training.gradients`, which updates by `apply` there.
    """
    made = OPTIMIZERS[optimizer.kind](optimizer, schedule)
    if dtype == "mixed_float16":
        return LossScaleOptimizer(made, initial_scale=2.0**15, dynamic_growth_steps=2000)
    return made
