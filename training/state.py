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
from kres.training.workdir import CHECKPOINTS


class State:
    """Model, optimizer (with its loss scale), moving average and the sums of the step; create it in a strategy's scope.

    The order of the data and the augmentation need no state: they are functions of the seed and the step. Dropout and
    stochastic depth draw from generators of the model, whose state is kept; `part_replicas` makes it the replica's own.
    """

    def __init__(self, plan: Plan, *, classes: int) -> None:
        recipe = plan.recipe
        self.model: keras.Model = training_model(recipe, classes=classes)
        self.schedule = make_schedule(
            recipe.schedule, steps=plan.steps, steps_per_unit=plan.steps_per_unit, batch_size=recipe.batch_size
        )
        self.optimizer = make_optimizer(recipe.optimizer, self.schedule, dtype=recipe.network.dtype)
        # Made inside the traced step, its variables would cost a second trace.
        self.optimizer.build(self.model.trainable_variables)
        self.average = make_average(recipe.averaging, self.model, warmup_steps=plan.warmup_steps)
        self.sums = Sums(self.model.trainable_variables)
        self.random = _random_state(self.model)
        kept = {
            "model": self.model,
            "random": self.random,
            "optimizer": self.optimizer,
            "average": self.average,
        }
        self.tracked = tf.train.Checkpoint(**{name: part for name, part in kept.items() if part is not None})

    def checkpoints(self, workdir: Path, recipe: Recipe, *, chief: bool = True) -> Checkpoints:
        """Those of a run in `workdir`."""
        folder, keep = workdir / CHECKPOINTS, recipe.watch.keep_checkpoints
        return Checkpoints(folder, self.tracked, keep=keep, chief=chief)

    def part_replicas(self) -> None:
        """Let dropout and stochastic depth draw other masks on each replica; due once, after checkpoints are restored.

        Replica i adds i to the seeds. The first one's are as they were, and are what a checkpoint holds.
        """
        strategy = tf.distribute.get_strategy()

        def of_replica() -> None:
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            for seed_and_count in self.random:
                # Without an aggregation, as Keras makes these, an assignment is to the replica's own copy.
                seed_and_count.assign_add(tf.stack([tf.cast(number, seed_and_count.dtype), 0]), read_value=False)

        tf.function(lambda: strategy.run(of_replica), autograph=False)()

    def averaged(self) -> AbstractContextManager[Any]:
        """Within it the model has the weights that are evaluated and kept: the moving average's where there is one."""
        return self.average.applied() if self.average is not None else nullcontext()


def _random_state(model: keras.Model) -> list[tf.Variable]:
    """The seed and count of each generator of random numbers in `model`, which TensorFlow does not find by itself."""
    weights = {id(weight) for weight in model.weights}
    return [variable.value for variable in model.variables if id(variable) not in weights]
