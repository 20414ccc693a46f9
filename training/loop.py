"""The training loop: steps, readouts, evaluations and checkpoints, in that order."""

import logging
import signal
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from kres.training.checkpoints import Checkpoints
from kres.training.data import Source, training_batches
from kres.training.evaluation import Evaluation, Evaluator
from kres.training.logs import Display, LogRow, RunLog
from kres.training.models import build_model, build_optimizer, preprocess_of
from kres.training.recipes import Recipe
from kres.training.settings import Augmentation, Images
from kres.training.signals import Interrupted, StopRequest
from kres.training.step import Sums, make_train_step

logger = logging.getLogger(__name__)


class NotFinite(FloatingPointError):
    """The loss or a weight became infinite or NaN; the message names the step and the last good checkpoint."""


class Loop:
    """One run of a recipe from its newest checkpoint (or the start) to its last step, on the devices of `strategy`."""

    def __init__(
        self, recipe: Recipe, source: Source, workdir: Path, *, seed: int, strategy: tf.distribute.Strategy
    ) -> None:
        self.recipe = recipe
        self.source = source
        self.workdir = workdir
        self.seed = seed
        self.strategy = strategy
        self.preprocess = preprocess_of(recipe)
        with strategy.scope():
            self.model = build_model(recipe, classes=source.classes, activation=None)
            self.optimizer = build_optimizer(recipe, self.model.trainable_variables)
            self.sums = Sums()
            tracked = tf.train.Checkpoint(model=self.model, optimizer=self.optimizer)
            self.checkpoints = Checkpoints(workdir / "checkpoints", tracked, keep=recipe.keep_checkpoints)
            state = self.checkpoints.restore() or {"step": 0, "seconds": 0.0}
        self.evaluate = Evaluator(self.model, self.preprocess, source)
        self.step: int = state["step"]
        self.seconds: float = state["seconds"]
        """Time spent in training steps, over all processes that worked on the run."""

    def run(self, stop: StopRequest) -> Evaluation:
        """Train to the last step and evaluate; raises Interrupted, NotFinite and CheckpointError as `fit` says."""
        recipe = self.recipe
        logger.info(
            "%s on %s: %d steps of %d images on %d device(s), from step %d",
            recipe.name,
            self.source.name,
            recipe.steps,
            recipe.batch_size,
            self.strategy.num_replicas_in_sync,
            self.step,
        )
        batches = self._batches()
        train_step = self._train_step(batches.element_spec)
        self._read_at, self._clock = self.step, time.monotonic()
        evaluation = None
        with closing(RunLog(self.workdir, step=self.step)) as log, Display(recipe.steps, done=self.step) as display:
            for number, batch in enumerate(batches, self.step + 1):
                train_step(*batch)
                self.step = number
                evaluates, saves = self._due(recipe.evaluate_every_steps), self._due(recipe.checkpoint_every_steps)
                stops = stop.received is not None
                if evaluates or saves or stops or self._due(recipe.log_every_steps):
                    row = self._read_out()
                    if evaluates:
                        evaluation = self.evaluate()
                        row = replace(row, test_accuracy=evaluation.accuracy)
                    log.add(row)
                    display.show(row)
                if saves or stops:
                    self._save()
                if stops and self.step < recipe.steps:
                    raise self._interrupted(stop)
                if evaluates or saves:
                    self._clock = time.monotonic()
        return evaluation or self.evaluate()  # nothing was left to train when a run was killed after its last step

    def _batches(self) -> Any:
        recipe = self.recipe
        shown: dict[str, Any] = {
            name: getattr(self.preprocess, name) for name in ("crop", "mean", "std", "interpolation")
        }
        images = Images(train_size_px=recipe.image_size_px, test_size_px=recipe.image_size_px, **shown)
        augmentation = Augmentation(
            crop="pad" if recipe.padding_px else "none", padding_px=recipe.padding_px, flip=recipe.flip
        )
        dataset = training_batches(
            self.source,
            images,
            augmentation,
            size_px=recipe.image_size_px,
            batch_size=recipe.batch_size,
            steps=range(self.step, recipe.steps),
            seed=self.seed,
        ).map(lambda images, labels, _: (images, labels))
        return self.strategy.experimental_distribute_dataset(dataset)

    def _train_step(self, element_spec: Any) -> Any:
        return make_train_step(
            self.model,
            self.optimizer,
            self.sums,
            preprocess=self.preprocess,
            batch_size=self.recipe.batch_size,
            strategy=self.strategy,
            element_spec=element_spec,
        )

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.recipe.steps

    def _read_out(self) -> LogRow:
        recipe = self.recipe
        steps = self.step - self._read_at
        loss, correct, finite_steps = self.sums.read(self.strategy)
        now = time.monotonic()
        elapsed, self._clock = now - self._clock, now
        self.seconds += elapsed
        if finite_steps < steps:
            bad = self._read_at + finite_steps + 1
            raise NotFinite(f"the loss of step {bad} is not finite. {self.checkpoints.describe_last_good()}")
        self._read_at = self.step
        return LogRow(
            step=self.step,
            epoch=self.step * recipe.batch_size / len(self.source.train),
            learning_rate=float(self.optimizer.schedule(self.step - 1)),
            loss=loss / steps,
            accuracy=correct / (steps * recipe.batch_size),
            images_per_second=steps * recipe.batch_size / elapsed,
        )

    def _save(self) -> None:
        # The update of the last step may have ruined the weights although its loss was finite.
        for variable in self.model.trainable_variables:
            if not tf.reduce_all(tf.math.is_finite(variable.value)):
                raise NotFinite(
                    f"{variable.path} is not finite after step {self.step}. {self.checkpoints.describe_last_good()}"
                )
        self.checkpoints.save(self.step, {"seconds": self.seconds})

    def _interrupted(self, stop: StopRequest) -> Interrupted:
        assert stop.received is not None
        name = signal.Signals(stop.received).name
        return Interrupted(
            f"{name}: stopped after step {self.step} of {self.recipe.steps}; the checkpoint is written.",
            signal_number=stop.received,
        )
