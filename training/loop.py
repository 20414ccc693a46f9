"""The training loop: steps, readouts, evaluations and checkpoints, in that order."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kres.quantization import observe_ranges
from kres.training.averaging import reestimate_norms
from kres.training.checkpoints import identity, reason
from kres.training.data import Source
from kres.training.display import Display
from kres.training.distribution import Agreement, place, require_same
from kres.training.evaluation import Evaluation, Evaluator
from kres.training.feed import Feed
from kres.training.gradient_norms import stages_of
from kres.training.logs import LogError, LogRow, RunLog
from kres.training.models import with_softmax
from kres.training.objective import make_objective
from kres.training.plan import Phase, Plan
from kres.training.signals import Interrupted, StopRequest
from kres.training.state import State
from kres.training.step import Totals, make_train_step
from kres.training.teachers import make_teacher
from kres.training.timing import Waited

logger = logging.getLogger(__name__)

Readout = dict[str, Any]
"""A `row` of the log and the stages' `gradient_norms`, as JSON holds them."""

OBSERVED_AT_ONCE = 8
"""Images: a layer sees what the ranges so far made of them, so batches must not depend on the number of replicas."""
SAMPLES = 8
"""Training images that TensorBoard shows."""


class NotFinite(FloatingPointError):
    """The loss or a weight became infinite or NaN; the message names the step and the last good checkpoint.

    `exit_code` is what a process should end with: the same run would come to the same.
    """

    exit_code = 3


class Loop:
    """One run of a recipe from its newest checkpoint (or the start) to its last step, on the devices of `strategy`."""

    def __init__(
        self, plan: Plan, source: Source, workdir: Path, *, seed: int, strategy: tf.distribute.Strategy
    ) -> None:
        self.plan = plan
        self.recipe = plan.recipe
        self.source = source
        self.workdir = workdir
        self.strategy = strategy
        self.place = place(strategy)
        with strategy.scope():
            self.state = State(plan, classes=source.classes)
            loss = plan.recipe.loss
            teacher = make_teacher(loss.teacher, classes=source.classes, untrained=loss.untrained_teacher)
            self.checkpoints = self.state.checkpoints(workdir, plan.recipe, chief=self.place.is_chief)
            found = self.checkpoints.restore()
            self.state.part_replicas()
        restored = found or {"step": 0, "seconds": 0.0}
        self.objective = make_objective(plan.recipe, self.state.model, classes=source.classes, teacher=teacher)
        self._feed = Feed(plan.recipe, source, seed=seed, strategy=strategy)
        if found is None and plan.recipe.quantization is not None:
            count = plan.recipe.quantization.calibration_images
            inputs = self._feed.plain_inputs(count, self.state.model.preprocess, at_once=OBSERVED_AT_ONCE)
            observe_ranges(self.state.model, inputs)
            if self.state.average is not None:
                self.state.average.restart()
        self.evaluator = Evaluator(self.state.model, source, strategy=strategy, logits=True)
        self._stages = stages_of(self.state.model.trainable_variables)
        self.best_score = self.checkpoints.best_score()
        require_same(
            {"step": restored["step"], "checkpoint": identity(found), "best_score": self.best_score},
            strategy,
            rule=f"the workdir must be shared by all workers, which found other checkpoints in {workdir}",
        )
        self._agreement = Agreement(strategy)
        self.step: int = restored["step"]
        self.seconds: float = restored["seconds"]
        """Time spent in training steps, over all processes that worked on the run."""
        self._unevaluated: Readout | None = restored.get("unevaluated")

    def run(self, stop: StopRequest) -> Evaluation:
        """Train to the last step and evaluate; raises what `fit` says."""
        plan, chief = self.plan, self.place.is_chief
        logger.info(
            "%s on %s: %d steps of %d images on %d device(s), from step %d",
            self.recipe.name,
            self.source.name,
            plan.steps,
            self.recipe.batch_size,
            self.place.replicas,
            self.step,
        )
        display = Display(plan.steps, done=self.step, evaluate_every=plan.evaluate_every_steps, chief=chief)
        with closing(RunLog(self.workdir, step=self.step, chief=chief)) as self._log, display as self._display:
            evaluation = None if self._unevaluated is None else self._after_step(stop, self._unevaluated)
            for phase in plan.phases:
                for train_step, batch in self.steps(phase):
                    if self.step == 0:
                        with self._logging() as log:
                            log.images(0, self.strategy.experimental_local_results(batch[0])[0].numpy()[:SAMPLES])
                    train_step(*batch)
                    self.step += 1
                    evaluation = self._after_step(stop)
            # Nothing was left to train when a run was killed after its last step.
            return evaluation or self.evaluate(stop)

    def evaluate(self, stop: StopRequest) -> Evaluation:
        """The weights as they would be kept now, on the test images; Interrupted where it is told to stop meanwhile."""
        agreement = Agreement(self.strategy)  # workers have equal numbers of batches, as they have of steps

        def between_batches(done: int, total: int) -> None:
            self._display.evaluating(done, total)
            if done < total and (received := agreement.ask(stop.received or 0)):
                raise self._interrupted(received)

        with self.state.averaged():
            if self.step == self.plan.steps and self.recipe.averaging.reestimate_images:
                self._reestimate_norms()
            return self.evaluator(between_batches)

    def _reestimate_norms(self) -> None:
        """As many images at once as one replica computes in training, whose memory is known to suffice."""
        recipe, model = self.recipe, self.state.model
        at_once = recipe.batch_size // self.place.replicas // recipe.optimizer.accumulate
        count = recipe.averaging.reestimate_images
        reestimate_norms(model, self._feed.plain_inputs(count, model.preprocess, at_once=at_once))

    def final_model(self) -> keras.Model:
        """The trained network, which ends in probabilities."""
        with self.state.averaged():
            return with_softmax(self.state.model, self.recipe)

    def steps(self, phase: Phase) -> Iterator[tuple[Callable[..., None], Any]]:
        """The step function and the batch of each step of `phase` that is still to do."""
        if self.step >= phase.steps.stop:
            return
        batches = self._feed.batches(phase, done=self.step)
        train_step = self._train_step(batches.element_spec)
        self._input = Waited(self._feed.naming(batches, lambda: self.step))
        self._read_at, self._clock = self.step, time.monotonic()
        for batch in self._input:
            yield train_step, batch

    def _after_step(self, stop: StopRequest, readout: Readout | None = None) -> Evaluation | None:
        """What falls due after a step: a readout, an evaluation (which is returned), a checkpoint, the end.

        A `readout` is that of a step whose evaluation was stopped, and is done again.
        """
        evaluation = None
        evaluates = self._due(self.plan.evaluate_every_steps)
        saves = self._due(self.recipe.watch.checkpoint_every_steps)
        stops = self._agreement.ask(stop.received or 0, last=self.step == self.plan.steps)
        logs = self._due(self.recipe.watch.log_every_steps) or self._phase_ends()
        if readout is None and (evaluates or saves or stops or logs):
            readout = self._read_out()
        if readout is not None:
            row = LogRow(**readout["row"])
            if evaluates:
                evaluation = self._evaluate_or_save(readout, stop)
                row = replace(row, test_accuracy=evaluation.accuracy, test_loss=evaluation.loss)
            with self._logging() as log:
                log.add(row, readout["gradient_norms"])
            self._display.show(row)
        score = None if evaluation is None else self._score(evaluation)
        if saves or stops or (score is not None and score > self.best_score):
            self._save(score)
        if stops:
            raise self._interrupted(stops)
        if evaluates or saves:
            self._clock = time.monotonic()
        return evaluation

    def _evaluate_or_save(self, readout: Readout, stop: StopRequest) -> Evaluation:
        """Evaluate; where that is stopped, the checkpoint holds the readout, which is logged when it is done again."""
        try:
            return self.evaluate(stop)
        except Interrupted:
            self._save(None, unevaluated=readout)
            raise

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

    def _phase_ends(self) -> bool:
        return any(self.step == phase.steps.stop for phase in self.plan.phases)

    def _read_out(self) -> Readout:
        """The row of the steps since the last one, and each stage's gradient norm: a root mean square over them.

        Steps whose gradient overflowed, which float16 skips, have no norm; there is none where all did.
        """
        batch_size, steps = self.recipe.batch_size, self.step - self._read_at
        totals = self.state.sums.read(self.strategy)
        now = time.monotonic()
        elapsed, self._clock = now - self._clock, now
        self.seconds += elapsed
        if totals.finite_steps < steps:
            bad = self._read_at + totals.finite_steps + 1
            raise NotFinite(f"the loss of step {bad} is not finite. {self.checkpoints.describe_last_good()}")
        self._read_at = self.step
        row = LogRow(
            step=self.step,
            epoch=self.step / self.plan.steps_per_epoch,
            learning_rate=float(self.state.schedule(self.step - 1)),
            loss=totals.loss / steps,
            accuracy=totals.correct / (steps * batch_size),
            images_per_second=steps * batch_size / elapsed,
            input_wait=min(self._input.read() / elapsed, 1.0),
            seconds=self.seconds,
        )
        return {"row": asdict(row), "gradient_norms": self._norms(totals)}

    def _norms(self, totals: Totals) -> dict[str, float] | None:
        if not totals.finite_gradients:
            return None
        squares = totals.gradient_squares / totals.finite_gradients
        return {stage: float(np.sqrt(squares[places].sum())) for stage, places in self._stages.items()}

    @contextmanager
    def _logging(self) -> Iterator[RunLog]:
        """The log; LogError when the disk does not take what is written to it."""
        try:
            yield self._log
        except (OSError, tf.errors.OpError) as error:
            raise LogError(
                f"the log in {self.workdir} could not be written: {reason(error)}. "
                f"{self.checkpoints.describe_last_good()}"
            ) from error

    def _score(self, evaluation: Evaluation) -> float:
        """What the best checkpoint has most of."""
        if self.recipe.watch.best_by == "loss":
            assert evaluation.loss is not None
            return -evaluation.loss
        return evaluation.accuracy

    def _save(self, score: float | None, **others: Any) -> None:
        # The last step may have ruined weights or norm statistics although its loss was finite.
        for variable in self.state.model.weights:
            if not tf.reduce_all(tf.math.is_finite(variable.value)):
                raise NotFinite(
                    f"{variable.path} is not finite after step {self.step}. {self.checkpoints.describe_last_good()}"
                )
        self.checkpoints.save(self.step, {"seconds": self.seconds, **others}, score=score)
        if score is not None:
            self.best_score = max(self.best_score, score)

    def _interrupted(self, received: int) -> Interrupted:
        name = signal.Signals(received).name
        return Interrupted(
            f"{name}: stopped after step {self.step} of {self.plan.steps}; the checkpoint is written.",
            signal_number=received,
        )
