"""A whole run, from a recipe and a data source to an evaluated model on disk."""

import json
import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kres.training import distribution
from kres.training.cards import write_card
from kres.training.data import Source, load
from kres.training.feasibility import require_feasible
from kres.training.loading import load_model
from kres.training.locking import locked
from kres.training.logs import LogRow, read_history
from kres.training.loop import Loop
from kres.training.plan import Plan, plan
from kres.training.recipes import recipe as find_recipe
from kres.training.settings import Recipe
from kres.training.signals import Interrupted, StopRequest
from kres.training.surroundings import facts_of
from kres.training.workdir import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    MODEL,
    RUNNING,
    WorkdirError,
    describe_data,
    open_workdir,
    write_run,
)
from kres.weights.layout import CARD
from kres.writing import write_atomically

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a finished run left in `workdir`.

    `accuracy` (0..1) and `loss` are those of the `n_images` test images, `images_per_second` those of all training
    `seconds`.
    """

    workdir: Path
    recipe: str
    data: str
    seed: int
    accuracy: float
    n_images: int
    n_corrupt: int
    steps: int
    seconds: float
    loss: float | None = None
    """None of a run of kres 0.1, as is the next."""
    images_per_second: float | None = None
    history: tuple[LogRow, ...] = field(repr=False)

    @property
    def model_path(self) -> Path:
        """The trained model, which ends in probabilities and knows its preprocessing."""
        return self.workdir / MODEL

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return {**asdict(self), "workdir": str(self.workdir)}


def fit(
    recipe: str | Recipe,
    *,
    data: str | Path | Source,
    workdir: str | Path,
    seed: int = 0,
    steps: int | None = None,
    batch_size: int | None = None,
    strategy: str = "auto",
    devices: int | None = None,
    resume: bool = False,
    on_corrupt: str = "fail",
    deterministic: bool = False,
) -> Result:
    """Train `recipe` on `data` and evaluate it on the test split, with everything kept in `workdir`.

    `steps` squeezes the whole schedule to another length. `resume` goes on from the newest checkpoint (a new workdir is
    begun, a finished run returns at once); a run that ended before its first one starts again without it. Sets Keras's
    global seed; `deterministic` turns on TensorFlow's deterministic operations for the process, under which a resumed
    run on one CPU equals an uninterrupted one bit for bit. Under `multi_worker` every worker calls it with the same
    arguments and a workdir that all of them see; the first alone writes. `on_corrupt`, "fail", "skip" or "unchecked",
    is what `kres.training.data.load` takes.

    Raises:
        ValueError: an argument is not allowed, the data are bad, workers differ in what they were asked for or in what
            they see of the workdir, TensorFlow has computed something before several workers could be set up, or
            (WorkdirError) the workdir holds something else or another process trains there.
        Interrupted: SIGINT or SIGTERM came; the step was finished and a checkpoint written. An evaluation is not
            finished: `resume` does it again.
        NotFinite: the loss or a weight became infinite or NaN.
        CheckpointError: a checkpoint could not be written or read.
        LogError: the disk did not take the log.
        WorkerLost: another worker is gone.
    """
    chosen = _resolve(recipe, steps=steps, batch_size=batch_size)
    workdir = Path(workdir).expanduser()
    devices_strategy = distribution.choose(strategy, devices=devices)
    require_feasible(chosen, replicas=devices_strategy.num_replicas_in_sync)
    source = load(data, on_corrupt=on_corrupt)
    planned = plan(chosen, len(source.train))
    if planned.times_in_a_batch > 1:
        logger.warning(
            "a batch of %d takes each of the %d training images %.3g times, each time augmented anew",
            chosen.batch_size,
            planned.train_images,
            planned.times_in_a_batch,
        )
    settings = {"recipe": chosen.to_dict(), "data": describe_data(source), "seed": _checked_seed(seed)}
    with distribution.lost_workers_told(devices_strategy), ExitStack() as held:
        distribution.require_same(
            {**settings, "resume": resume}, devices_strategy, rule="all workers must be started with the same command"
        )
        found = _opened(workdir, settings, resume=resume, strategy=devices_strategy, held=held)
        if found and found["state"] == FINISHED:
            logger.info("the run in %s is finished", workdir)
            if distribution.place(devices_strategy).is_chief and not (workdir / CARD).exists():
                _make_up_card(workdir)
            return _result(workdir, found["settings"], found["result"])
        keras.utils.set_random_seed(seed)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        # Not before: data may take long to load, with nothing to lose if a signal ends that at once.
        with StopRequest() as stop:
            run = _Run(workdir, settings, facts_of(devices_strategy, steps=planned.steps, found=found))
            result = run.carry_out(planned, source, strategy=devices_strategy, stop=stop)
        distribution.leave_together(devices_strategy)
    return result


def _make_up_card(workdir: Path) -> None:
    """Write the card of a finished run that was killed before it; what is only read needs none."""
    try:
        write_card(workdir, load_model(workdir))
    except OSError as error:
        logger.warning("%s could not be written: %s", workdir / CARD, error)


def _opened(
    workdir: Path, settings: dict[str, Any], *, resume: bool, strategy: tf.distribute.Strategy, held: ExitStack
) -> dict[str, Any] | None:
    """What the chief found in the workdir that it opened, or its WorkdirError, on every worker.

    The chief keeps the workdir locked until `held` is closed.
    """
    answer: dict[str, Any] = {}
    if distribution.place(strategy).is_chief:
        try:
            answer = {"found": _claimed(workdir, settings, resume=resume, held=held)}
        except WorkdirError as error:
            answer = {"error": str(error)}
    answer = json.loads(distribution.gather_text(json.dumps(answer), strategy)[0])
    if "error" in answer:
        raise WorkdirError(answer["error"])
    return answer["found"]


def _claimed(workdir: Path, settings: dict[str, Any], *, resume: bool, held: ExitStack) -> dict[str, Any] | None:
    found = open_workdir(workdir, settings, resume=resume)
    if found and found["state"] == FINISHED:
        return found  # which is read alone, maybe from where nothing can be written
    held.enter_context(locked(workdir))
    found = open_workdir(workdir, settings, resume=resume)  # another process may have let go of it a moment ago
    if resume and found is None:  # a mistyped name would else train from the start in silence
        logger.warning("nothing to resume in %s: a new run begins", workdir)
    return found


@dataclass(frozen=True)
class _Run:
    """A run's place on disk and what its `run.json` says."""

    workdir: Path
    settings: dict[str, Any]
    facts: dict[str, Any]

    def carry_out(
        self, planned: Plan, source: Source, *, strategy: tf.distribute.Strategy, stop: StopRequest
    ) -> Result:
        """Train, evaluate and keep the model; how it ended is noted whatever happens."""
        chief = distribution.place(strategy).is_chief
        if chief:
            self.note(RUNNING)
        try:
            loop = Loop(planned, source, self.workdir, seed=self.settings["seed"], strategy=strategy)
            evaluation = loop.run(stop)
            final = loop.final_model()
            if chief:
                write_atomically(self.workdir / MODEL, _saves(final))
        except (Interrupted, KeyboardInterrupt, SystemExit):  # the others by a second signal, which saves nothing
            if chief:
                self.note_quietly(INTERRUPTED)
            raise
        except Exception:
            if chief:
                self.note_quietly(FAILED)
            raise
        result = {
            "accuracy": evaluation.accuracy,
            "n_images": evaluation.n_images,
            "n_corrupt": len(source.corrupt),
            "steps": planned.steps,
            "seconds": loop.seconds,
            "loss": evaluation.loss,
            "images_per_second": planned.images_seen / loop.seconds,
        }
        if chief:
            self.note(FINISHED, result)
            write_card(self.workdir, final)
        return _result(self.workdir, self.settings, result)

    def note(self, state: str, result: dict[str, Any] | None = None) -> None:
        """Write `run.json`."""
        write_run(self.workdir, self.settings, state=state, result=result, facts=self.facts)

    def note_quietly(self, state: str) -> None:
        """Write how a run ended; a disk that takes no more must not hide the error that is on its way."""
        try:
            self.note(state)
        except OSError as error:
            logger.warning("%s could not be noted in %s: %s", state, self.workdir, error)


def _saves(model: keras.Model) -> Callable[[Path], None]:
    return lambda path: model.save(path, overwrite=True)


def _result(workdir: Path, settings: dict[str, Any], result: dict[str, Any]) -> Result:
    return Result(
        workdir=workdir,
        recipe=settings["recipe"]["name"],
        data=settings["data"]["source"],
        seed=settings["seed"],
        history=tuple(read_history(workdir)),
        **result,
    )


def _resolve(recipe: str | Recipe, *, steps: int | None, batch_size: int | None) -> Recipe:
    chosen = find_recipe(recipe) if isinstance(recipe, str) else recipe
    if steps is not None:
        chosen = chosen.with_length(steps)
    return chosen if batch_size is None else replace(chosen, batch_size=batch_size)


def _checked_seed(seed: int) -> int:
    if not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise ValueError(f"seed must be an integer in 0..2**31-1. Received: seed={seed!r}")
    return seed
