"""The training loop: steps, readouts, evaluations and checkpoints, in that order."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from kres.training.data import Source, training_batches
from kres.training.display import Display
from kres.training.evaluation import Evaluation, Evaluator
from kres.training.logs import LogRow, RunLog
from kres.training.models import make_teacher
from kres.training.objective import make_objective
from kres.training.plan import Phase, Plan
from kres.training.signals import Interrupted, StopRequest
from kres.training.state import State
from kres.training.step import make_train_step

logger = logging.getLogger(__name__)


class NotFinite(FloatingPointError):
    """The loss or a weight became infinite or NaN; the message names the step and the last good checkpoint."""


class Loop:
    """One run of a recipe from its newest checkpoint (or the start) to its last step, on the devices of `strategy`."""

    def __init__(
        self, plan: Plan, source: Source, workdir: Path, *, seed: int, strategy: tf.distribute.Strategy
    ) -> None:
        self.plan = plan
        self.recipe = plan.recipe
        self.source = source
        self.workdir = workdir
        self.seed = seed
        self.strategy = strategy
        with strategy.scope():
            self.state = State(plan, classes=source.classes)
            self.checkpoints = self.state.checkpoints(workdir, plan.recipe)
            restored = self.checkpoints.restore() or {"step": 0, "seconds": 0.0}
        self.objective = make_objective(
            plan.recipe,
            self.state.model,
            classes=source.classes,
            teacher=make_teacher(plan.recipe.loss.teacher, classes=source.classes),
        )
        self.evaluator = Evaluator(self.state.model, source, strategy=strategy)
        self.step: int = restored["step"]
        self.seconds: float = restored["seconds"]
        """Time spent in training steps, over all processes that worked on the run."""

    def run(self, stop: StopRequest) -> Evaluation:
        """Train to the last step and evaluate; raises Interrupted, NotFinite and CheckpointError as `fit` says."""
        steps = self.plan.steps
        logger.info(
            "%s on %s: %d steps of %d images on %d device(s), from step %d",
            self.recipe.name,
            self.source.name,
            steps,
            self.recipe.batch_size,
            self.strategy.num_replicas_in_sync,
            self.step,
        )
        evaluation = None
        with closing(RunLog(self.workdir, step=self.step)) as log, Display(steps, done=self.step) as display:
            self._read_at, self._clock, self._waited = self.step, time.monotonic(), 0.0
            for phase in self.plan.phases:
                for train_step, batch in self._steps(phase):
                    train_step(*batch)
                    self.step += 1
                    evaluates = self._due(self.plan.evaluate_every_steps)
                    saves = self._due(self.recipe.watch.checkpoint_every_steps)
                    stops = stop.received is not None
                    if evaluates or saves or stops or self._due(self.recipe.watch.log_every_steps):
                        row = self._read_out()
                        if evaluates:
                            evaluation = self.evaluate()
                            row = replace(row, test_accuracy=evaluation.accuracy)
                        log.add(row)
                        display.show(row)
                    if saves or stops:
                        self._save()
                    if stops and self.step < steps:
                        raise self._interrupted(stop)
                    if evaluates or saves:
                        self._clock = time.monotonic()
        return evaluation or self.evaluate()  # nothing was left to train when a run was killed after its last step

    def evaluate(self) -> Evaluation:
        """The weights as they would be kept now, on the test images."""
        with self.state.averaged():
            return self.evaluator()

    def _steps(self, phase: Phase) -> Iterator[tuple[Callable[..., None], Any]]:
        """The step function and the batch of each step of `phase` that is still to do."""
        todo = range(max(self.step, phase.steps.start), phase.steps.stop)
        if not todo:
            return
        batches = self._batches(todo, size_px=phase.size_px)
        train_step = self._train_step(batches.element_spec)
        iterator = iter(batches)
        for _ in todo:
            before = time.monotonic()
            batch = next(iterator)
            self._waited += time.monotonic() - before
            yield train_step, batch

    def _batches(self, steps: range, *, size_px: int) -> Any:
        def of(context: tf.distribute.InputContext) -> tf.data.Dataset:
            local = self.strategy.num_replicas_in_sync // context.num_input_pipelines
            return training_batches(
                self.source,
                self.recipe.images,
                self.recipe.augmentation,
                size_px=size_px,
                batch_size=self.recipe.batch_size,
                steps=steps,
                seed=self.seed,
                replicas=self.strategy.num_replicas_in_sync,
                first_replica=context.input_pipeline_id * local,
                local_replicas=local,
            )

        return self.strategy.distribute_datasets_from_function(of)

    def _train_step(self, element_spec: Any) -> Callable[..., None]:
        optimizer = self.recipe.optimizer
        return make_train_step(
            self.state.model,
            self.state.optimizer,
            self.state.sums,
            objective=self.objective,
            batch_size=self.recipe.batch_size,
            strategy=self.strategy,
            element_spec=element_spec,
            clip_norm=optimizer.clip_norm,
            accumulate=optimizer.accumulate,
            average=self.state.average,
        )

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.plan.steps

    def _read_out(self) -> LogRow:
        batch_size = self.recipe.batch_size
        steps = self.step - self._read_at
        totals = self.state.sums.read(self.strategy)
        now = time.monotonic()
        elapsed, self._clock = now - self._clock, now
        self.seconds += elapsed
        if totals.finite_steps < steps:
            bad = self._read_at + totals.finite_steps + 1
            raise NotFinite(f"the loss of step {bad} is not finite. {self.checkpoints.describe_last_good()}")
        self._read_at = self.step
        return LogRow(
            step=self.step,
            epoch=self.step / self.plan.steps_per_epoch,
            learning_rate=float(self.state.optimizer.schedule(self.step - 1)),
            loss=totals.loss / steps,
            accuracy=totals.correct / (steps * batch_size),
            images_per_second=steps * batch_size / elapsed,
        )

    def _save(self) -> None:
        # The update of the last step may have ruined the weights although its loss was finite.
        for variable in self.state.model.trainable_variables:
            if not tf.reduce_all(tf.math.is_finite(variable.value)):
                raise NotFinite(
                    f"{variable.path} is not finite after step {self.step}. {self.checkpoints.describe_last_good()}"
                )
        self.checkpoints.save(self.step, {"seconds": self.seconds})

    def _interrupted(self, stop: StopRequest) -> Interrupted:
        assert stop.received is not None
        name = signal.Signals(stop.received).name
        return Interrupted(
            f"{name}: stopped after step {self.step} of {self.plan.steps}; the checkpoint is written.",
            signal_number=stop.received,
        )
