"""All that a run carries from step to step, made on the devices of its strategy and kept in its checkpoints."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kres.training.averaging import make_average
from kres.training.checkpoints import Checkpoints
from kres.training.models import training_model
from kres.training.optimisation import make_optimizer, make_schedule
from kres.training.plan import Plan
from kres.training.settings import Recipe
from kres.training.step import Sums


class State:
    """Model, optimizer (with its loss scale), moving average and the sums of the step; create it in a strategy's scope.

    The order of the data and the augmentation need no state: they are functions of the seed and the step.
    """

    def __init__(self, plan: Plan, *, classes: int) -> None:
        recipe = plan.recipe
        self.model: keras.Model = training_model(recipe, classes=classes)
        self.optimizer = build_optimizer(plan, self.model.trainable_variables)
        self.average = make_average(recipe.averaging, self.model, warmup_steps=plan.warmup_steps)
        self.sums = Sums(self.model.trainable_variables)
        self.tracked = tf.train.Checkpoint(model=self.model, optimizer=self.optimizer, average=self.average)

    def checkpoints(self, workdir: Path, recipe: Recipe) -> Checkpoints:
        """Those of a run in `workdir`."""
        return Checkpoints(workdir / "checkpoints", self.tracked, keep=recipe.watch.keep_checkpoints)

    def averaged(self) -> AbstractContextManager[Any]:
        """Within it the model has the weights that are evaluated and kept: the moving average's where there is one."""
        return self.average.applied() if self.average is not None else nullcontext()


def build_optimizer(plan: Plan, variables: list[keras.Variable]) -> Any:
    """The optimizer of a recipe with its variables made: made inside the traced step they cost a second trace."""
    recipe = plan.recipe
    schedule = make_schedule(
        recipe.schedule, steps=plan.steps, steps_per_unit=plan.steps_per_unit, batch_size=recipe.batch_size
    )
    optimizer = make_optimizer(recipe.optimizer, schedule, dtype=recipe.network.dtype)
    optimizer.build(variables)
    return optimizer
