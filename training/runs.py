"""The runs below a directory, to be put side by side: finished ones, stopped ones and those that still train."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kres.training.changes import Changes, changes_of
from kres.training.logs import LOG, LogRow, read_history
from kres.training.nesting import flatten
from kres.training.settings.recipe import completed
from kres.training.workdir import ABOUT, NAME, RUN, RUNNING, STATES, read_run

DEPTH = 3
"""Folders down from the directory that a run may lie."""
SILENT_SECONDS = 15 * 60
"""A run that calls itself running and wrote nothing for longer may have been killed."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a workdir says of its run; None where it says nothing (yet)."""

    name: str
    """The workdir, from the directory that was searched."""
    workdir: Path
    state: str
    recipe: str
    data: str
    step: int
    steps: int | None
    """Of the whole run."""
    best: float | None
    """Highest test accuracy, 0..1."""
    last: float | None
    """Newest test accuracy, 0..1."""
    loss: float | None
    """Newest training loss."""
    seconds: float | None
    """Time in training steps."""
    images_per_second: float | None
    """Median over the readouts."""
    silent_seconds: float
    """Since the run last wrote to its record or its log."""
    settings: Mapping[str, Any]
    """Flat: `recipe.batch_size`, ..."""
    changes: Changes | None
    """Fields in which its recipe is not the published one; None of a recipe that is not published."""
    history: tuple[LogRow, ...]

    @property
    def perhaps_dead(self) -> bool:
        """Whether the run calls itself running but has been silent for long."""
        return self.state == RUNNING and self.silent_seconds > SILENT_SECONDS


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A workdir whose record cannot be read, and why."""

    workdir: Path
    reason: str


def find_runs(folder: Path) -> tuple[list[Run], list[Damaged]]:
    """All runs in `folder` and at most DEPTH folders down, by name, and the damaged ones among them.

    Raises FileNotFoundError when there is no such directory.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"runs are looked for in a directory. Received: {folder}")
    runs, damaged = [], []
    for path in sorted({path.parent for level in range(DEPTH + 1) for path in folder.glob("*/" * level + RUN)}):
        try:
            runs.append(_read(path, folder))
        except (ValueError, OSError) as error:
            damaged.append(Damaged(workdir=path, reason=str(error)))
    return runs, damaged


def differing(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each run the settings in which not all of them agree, without what the other fields of a Run tell.

    A setting that a run does not have is None.
    """
    names = dict.fromkeys(key for run in runs for key in run.settings if not key.startswith(_TOLD))
    unequal = [key for key in names if len({json.dumps(run.settings.get(key), sort_keys=True) for run in runs}) > 1]
    return [{key.removeprefix("recipe."): run.settings.get(key) for key in unequal} for run in runs]


# Names, what follows from them, and words about a recipe that change nothing in the run.
_TOLD = (NAME, ABOUT, "data.source", "data.class_names", "data.sha256", "data.contents_sha256")


def _read(workdir: Path, folder: Path) -> Run:
    run = read_run(workdir)
    history = read_history(workdir)
    name = str(workdir.relative_to(folder)) if workdir != folder else workdir.resolve().name
    try:
        return _summarized(run, history, workdir=workdir, name=name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{RUN} does not hold what the record of a run does: {error!r}") from error


def _summarized(run: dict[str, Any], history: Sequence[LogRow], *, workdir: Path, name: str) -> Run:
    settings, result = run["settings"], run.get("result") or {}
    tested = [row.test_accuracy for row in history if row.test_accuracy is not None]
    accuracies = [*tested, float(result["accuracy"])] if result else tested
    newest = history[-1] if history else None
    return Run(
        name=name,
        workdir=workdir,
        state=_known_state(run["state"]),
        recipe=settings["recipe"]["name"],
        data=settings["data"]["source"],
        step=newest.step if newest else 0,
        steps=_steps(run),
        best=max(accuracies, default=None),
        last=accuracies[-1] if accuracies else None,
        loss=newest.loss if newest else None,
        seconds=float(result["seconds"]) if result else newest.seconds if newest else None,
        images_per_second=median(row.images_per_second for row in history) if history else None,
        silent_seconds=max(time.time() - max(_written(workdir)), 0.0),
        settings=flatten({**settings, "recipe": completed(settings["recipe"])}),
        changes=changes_of(settings["recipe"]),
        history=tuple(history),
    )


def _known_state(state: Any) -> str:
    if state not in STATES:
        raise ValueError(f"state must be one of {', '.join(STATES)}. Received: state={state!r}")
    return str(state)


def _steps(run: Mapping[str, Any]) -> int | None:
    """Runs of kres 0.1 say it in the recipe alone."""
    return run.get("steps") or run["settings"]["recipe"].get("steps")


def _written(workdir: Path) -> Iterator[float]:
    for name in (RUN, LOG):
        if (workdir / name).exists():
            yield (workdir / name).stat().st_mtime
