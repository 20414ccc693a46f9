"""Checkpoints that are either whole or not there: written aside, hashed, then renamed."""

import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal, get_args

import tensorflow as tf

logger = logging.getLogger(__name__)

PREFIX = "step_"
STATE = "state.json"
Which = Literal["last", "best"]


class CheckpointError(OSError):
    """A checkpoint could not be written or read; the message names the last good one."""


class Checkpoints:
    """The checkpoints of one run, `step_00001234/` each, of which the last `keep` stay, and the best besides.

    Later ones than that which is saved are damaged, because the run went back behind them: they go as it is saved.

    Of several workers each must save when the others do, because TensorFlow gathers some values from all of them; what
    those write that are not the `chief` is thrown away.
    """

    def __init__(self, folder: Path, tracked: tf.train.Checkpoint, *, keep: int, chief: bool = True) -> None:
        self.folder = folder
        self.tracked = tracked
        self.keep = keep
        self.chief = chief

    def save(self, step: int, state: dict[str, Any], *, score: float | None = None) -> Path:
        """Write the tracked variables and `state` as the checkpoint of `step`; the highest `score` is the best.

        Raises CheckpointError when the disk does not take it; nothing that was there before is touched then.
        """
        target = self.folder / _name(step)
        if not self.chief:
            with tempfile.TemporaryDirectory(prefix="kres-") as elsewhere:
                self.tracked.write(str(Path(elsewhere) / "variables"))
            return target
        aside = self.folder / f".{target.name}.writing"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for half in self.folder.glob(".*.writing"):  # of a process that was killed
                shutil.rmtree(half)
            aside.mkdir()
            self.tracked.write(str(aside / "variables"))
            files = {path.name: _digest(path) for path in sorted(aside.iterdir())}
            described = {**state, "step": step, "score": score, "sha256": files}
            (aside / STATE).write_text(json.dumps(described, indent=1))
            for path in (*aside.iterdir(), aside):
                _flush(path)
            for late in [path for path in self.paths() if path.name >= target.name]:
                shutil.rmtree(late)
            aside.rename(target)
            _flush(self.folder)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise CheckpointError(
                f"checkpoint {target} could not be written: {reason(error)}. {self.describe_last_good()}"
            ) from error
        best = self.best()
        for old in self.paths()[: -self.keep]:
            if old != best:
                shutil.rmtree(old)
        return target

    def paths(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted(path for path in self.folder.glob(f"{PREFIX}*") if path.is_dir())

    def best(self) -> Path | None:
        """The good checkpoint with the highest score, the newest of several; None where none was evaluated."""
        return _last_good(self._by_score())

    def _by_score(self) -> list[Path]:
        """Those that have a score, the best last."""
        scores = [(score, path) for path in self.paths() if (score := _score(path)) is not None]
        return [path for _, path in sorted(scores)]

    def best_score(self) -> float:
        """Its score; minus infinity where there is none."""
        path = self.best()
        score = None if path is None else _score(path)
        return -math.inf if score is None else score

    def last_good(self) -> Path | None:
        """The newest checkpoint whose files are what was written."""
        return _last_good(self.paths())

    def describe_last_good(self) -> str:
        """One sentence for an error message."""
        path = self.last_good()
        return f"The last good checkpoint is {path}." if path else "There is no good checkpoint."

    def candidates(self, which: Which = "last") -> list[Path]:
        """All checkpoints, or those that were evaluated: damaged ones too, and what is wanted last."""
        return self.paths() if check_which(which) == "last" else self._by_score()

    def restore(self, which: Which = "last") -> dict[str, Any] | None:
        """Read the newest good checkpoint, or the best, into the tracked variables; returns its state, None for none.

        A damaged one is passed over with a warning that says what is wrong and what is used instead. Raises
        CheckpointError when there are checkpoints and none is good.
        """
        paths = self.candidates(which)
        if not paths:
            return None
        good = _last_good(paths)
        for path in reversed(paths):
            if path == good:
                break
            logger.warning("checkpoint %s is damaged (%s); used instead: %s", path, damage(path), good or "none")
        if good is None:
            raise CheckpointError(
                f"no checkpoint in {self.folder} is readable: {paths[-1].name} is damaged ({damage(paths[-1])}). "
                "Start again in another workdir."
            )
        self.tracked.read(str(good / "variables")).assert_consumed()
        return json.loads((good / STATE).read_text())


def identity(state: dict[str, Any] | None) -> str:
    """What tells one restored checkpoint from another: the start of a digest over its files' digests."""
    if state is None:
        return "none"
    return hashlib.sha256(json.dumps(state["sha256"], sort_keys=True).encode()).hexdigest()[:12]


def best_step(folder: Path) -> int | None:
    """The step of the best checkpoint in a run's `folder` of them, None where none was evaluated."""
    best = Checkpoints(folder, tf.train.Checkpoint(), keep=1).best()
    return None if best is None else int(best.name.removeprefix(PREFIX))


def check_which(which: str) -> Which:
    """`which`, if it names a checkpoint; ValueError else."""
    for known in get_args(Which):
        if which == known:
            return known
    raise ValueError(f"checkpoint must be one of {', '.join(get_args(Which))}. Received: checkpoint={which!r}")


def _name(step: int) -> str:
    return f"{PREFIX}{step:08d}"


def _last_good(paths: list[Path]) -> Path | None:
    return next((path for path in reversed(paths) if damage(path) is None), None)


def _score(path: Path) -> float | None:
    try:
        score = json.loads((path / STATE).read_text()).get("score")
        return score if score is not None and math.isfinite(score) else None
    except (OSError, ValueError, AttributeError, TypeError):
        return None  # damaged, as `damage` tells in time


def damage(path: Path) -> str | None:
    """What is wrong with the checkpoint in `path`, or None."""
    try:
        files = json.loads((path / STATE).read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{STATE} is not readable: {error}"
    for name, digest in files.items():
        if not (path / name).is_file():
            return f"{name} is missing"
        if _digest(path / name) != digest:
            return f"{name} is not what was written"
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: Exception) -> str:
    """What an error of the operating system, or TensorFlow's of the same, says."""
    return error.message if isinstance(error, tf.errors.OpError) else str(error)
