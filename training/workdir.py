"""A run's directory: what it holds, whether a new call may go on with it, and its `run.json`."""

import json
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import kres
from kres.training.checkpoints import PREFIX
from kres.training.data import Source
from kres.training.logs import read_history
from kres.training.nesting import flatten
from kres.training.settings.recipe import completed
from kres.writing import write_atomically

RUN = "run.json"
CHECKPOINTS = "checkpoints"
MODEL = "model.keras"
RUNNING, INTERRUPTED, FAILED, FINISHED = "running", "interrupted", "failed", "finished"
STATES = (RUNNING, INTERRUPTED, FAILED, FINISHED)
NAME, ABOUT = "recipe.name", "recipe.about."

Differences = dict[str, tuple[Any, Any]]


class WorkdirError(ValueError):
    """The workdir holds something that this run must not touch."""


def open_workdir(path: Path, settings: dict[str, Any], *, resume: bool) -> dict[str, Any] | None:
    """Make `path` the workdir of a run with `settings`; returns the `run.json` that was there, None for a new run.

    A run that ended before its first checkpoint leaves nothing to resume, and so is begun anew; another run takes its
    place if it logged nothing either.

    Raises WorkdirError when it holds other things, another run (with the differences), or (without `resume`) this run.
    """
    if not path.exists() or (path.is_dir() and not any(_seen(path))):
        path.mkdir(parents=True, exist_ok=True)
        return None
    if not (path / RUN).is_file():
        raise WorkdirError(f"a workdir must be new, empty, or hold a run. Received: {path}, which has no {RUN}")
    run = read_run(path)
    to_resume = run["state"] not in (FAILED, INTERRUPTED) or any((path / CHECKPOINTS).glob(f"{PREFIX}*"))
    differences = _differences(run["settings"], settings)
    if differences and not to_resume and not read_history(path):
        return None
    if differences:
        raise WorkdirError(
            f"{path} holds another run. Use its settings or another workdir. They differ in:\n{_listed(differences)}"
        )
    if not resume and to_resume:
        raise WorkdirError(f"{path} holds this run already ({run['state']}). Resume it, or use another workdir.")
    return run if resume else None


def _seen(path: Path) -> Iterator[Path]:
    """What is in a directory, but for hidden files: the lock, and what a process left that was killed as it wrote."""
    return (child for child in path.iterdir() if not child.name.startswith("."))


def read_run(path: Path) -> dict[str, Any]:
    """The `run.json` of a workdir; WorkdirError when it is not readable."""
    try:
        run = json.loads((path / RUN).read_text())
        return {"settings": run["settings"], "state": run["state"], **run}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkdirError(f"{path / RUN} is not readable: {error!r}") from error


def write_run(
    path: Path,
    settings: dict[str, Any],
    *,
    state: str,
    result: dict[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write `run.json`: the state, the settings, the versions that ran them, `facts` and (at the end) the result.

    `facts` are what `kres.training.surroundings.facts_of` found; the next call may differ in them.
    """
    versions = {
        "kres": kres.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
    ended = None if state == RUNNING else utc_now()
    run = {
        "state": state,
        "settings": settings,
        **(facts or {}),
        "versions": versions,
        "ended": ended,
        "result": result,
    }
    write_atomically(path / RUN, lambda aside: aside.write_text(json.dumps(run, indent=1)))


def utc_now() -> str:
    """The time as ISO 8601 has it, in UTC and whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_data(source: Source) -> dict[str, Any]:
    """What must be the same for a run to go on: classes, counts, digests of all names and labels and of contents."""
    return {
        "source": source.name,
        "classes": source.classes,
        "class_names": list(source.class_names),
        "train_images": len(source.train),
        "test_images": len(source.test),
        "sha256": source.names_sha256(),
        "contents_sha256": source.contents_sha256(),
    }


def data_name(source: str) -> str:
    """The data's name to show to others: where a user's folders are is the user's matter."""
    place = Path(source).expanduser()
    return place.name if place.is_absolute() or place.is_dir() else source


def _listed(differences: Differences) -> str:
    """A line a difference; of another recipe the names, as what else it fixes follows from that."""
    shown = {NAME: differences[NAME]} if NAME in differences else differences
    lines = [f"  {key}: {old!r} there, {new!r} here" for key, (old, new) in shown.items()]
    more = len(differences) - len(shown)
    return "\n".join([*lines, *([f"  and {more} more"] if more else [])])


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Differences:
    """By key the values that are not the same; words about a recipe change nothing in its run."""
    old = flatten({**old, "recipe": completed(old.get("recipe", {}))})
    new = flatten(new)
    if old.get("data.sha256") == new.get("data.sha256"):  # the same images by another path
        for key in ("data.source", "data.class_names"):  # names are in the digest; the earliest runs list none
            old[key] = new.get(key)
    # The earliest runs have none, as above.
    old.setdefault("data.contents_sha256", new.get("data.contents_sha256"))
    keys = sorted(key for key in {*old, *new} if not key.startswith(ABOUT))
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}
