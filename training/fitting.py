"""A whole run, from a recipe and a data source to an evaluated model on disk."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kres.training import distribution
from kres.training.data import Source, load
from kres.training.logs import LogRow, read_history
from kres.training.loop import Loop
from kres.training.models import with_softmax
from kres.training.recipes import Recipe
from kres.training.recipes import recipe as find_recipe
from kres.training.signals import Interrupted, StopRequest
from kres.training.workdir import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    MODEL,
    RUNNING,
    describe_data,
    open_workdir,
    write_run,
)
from kres.writing import write_atomically

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a finished run left in `workdir`: `accuracy` (0..1) over the `n_images` test images, training `seconds`."""

    workdir: Path
    recipe: str
    data: str
    seed: int
    accuracy: float
    n_images: int
    n_corrupt: int
    steps: int
    seconds: float
    history: tuple[LogRow, ...]

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
    begun, a finished run returns at once). Sets Keras's global seed; `deterministic` turns on TensorFlow's
    deterministic operations for the process, under which a resumed run on one CPU equals an uninterrupted one bit for
    bit.

    Raises:
        ValueError: an argument is not allowed, the data are bad, or (WorkdirError) the workdir holds something else.
        Interrupted: SIGINT or SIGTERM came; the step was finished and a checkpoint written.
        NotFinite: the loss or a weight became infinite or NaN.
        CheckpointError: a checkpoint could not be written or read.
    """
    chosen = _resolve(recipe, steps=steps, batch_size=batch_size)
    workdir = Path(workdir).expanduser()
    devices_strategy = distribution.choose(strategy, devices=devices)
    distribution.require_divisible(chosen.batch_size, devices_strategy)
    source = load(data, on_corrupt=on_corrupt)
    settings = {"recipe": chosen.to_dict(), "data": describe_data(source), "seed": _checked_seed(seed)}
    found = open_workdir(workdir, settings, resume=resume)
    if found and found["state"] == FINISHED:
        logger.info("the run in %s is finished", workdir)
        return _result(workdir, found["settings"], found["result"])
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    # Not before: data may take long to load, with nothing to lose if a signal ends that at once.
    with StopRequest() as stop:
        return _run(chosen, source, workdir, settings, strategy=devices_strategy, stop=stop)


def _run(
    recipe: Recipe,
    source: Source,
    workdir: Path,
    settings: dict[str, Any],
    *,
    strategy: tf.distribute.Strategy,
    stop: StopRequest,
) -> Result:
    write_run(workdir, settings, state=RUNNING)
    try:
        loop = Loop(recipe, source, workdir, seed=settings["seed"], strategy=strategy)
        evaluation = loop.run(stop)
        final = with_softmax(loop.model, recipe)
        write_atomically(workdir / MODEL, _saves(final))
    except Interrupted:
        _note(workdir, settings, INTERRUPTED)
        raise
    except Exception:
        _note(workdir, settings, FAILED)
        raise
    result = {
        "accuracy": evaluation.accuracy,
        "n_images": evaluation.n_images,
        "n_corrupt": len(source.corrupt),
        "steps": recipe.steps,
        "seconds": loop.seconds,
    }
    write_run(workdir, settings, state=FINISHED, result=result)
    return _result(workdir, settings, result)


def _note(workdir: Path, settings: dict[str, Any], state: str) -> None:
    """Write how a run ended; a disk that takes no more must not hide the error that is on its way."""
    try:
        write_run(workdir, settings, state=state)
    except OSError as error:
        logger.warning("%s could not be noted in %s: %s", state, workdir, error)


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
        chosen = chosen.with_steps(steps)
    return chosen if batch_size is None else replace(chosen, batch_size=batch_size)


def _checked_seed(seed: int) -> int:
    if not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise ValueError(f"seed must be an integer in 0..2**31-1. Received: seed={seed!r}")
    return seed
