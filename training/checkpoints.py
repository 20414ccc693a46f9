"""Checkpoints that are either whole or not there: written aside, hashed, then renamed."""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

logger = logging.getLogger(__name__)

PREFIX = "step_"
STATE = "state.json"


class CheckpointError(OSError):
    """A checkpoint could not be written or read; the message names the last good one."""


class Checkpoints:
    """The checkpoints of one run, `step_00001234/` each, of which the last `keep` stay."""

    def __init__(self, folder: Path, tracked: tf.train.Checkpoint, *, keep: int) -> None:
        self.folder = folder
        self.tracked = tracked
        self.keep = keep

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write the tracked variables and `state` as the checkpoint of `step`.

        Raises CheckpointError when the disk does not take it; nothing that was there before is touched then.
        """
        target = self.folder / f"{PREFIX}{step:08d}"
        aside = self.folder / f".{target.name}.writing"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            self.tracked.write(str(aside / "variables"))
            files = {path.name: _digest(path) for path in sorted(aside.iterdir())}
            (aside / STATE).write_text(json.dumps({**state, "step": step, "sha256": files}, indent=1))
            for path in (*aside.iterdir(), aside):
                _flush(path)
            shutil.rmtree(target, ignore_errors=True)  # only a damaged one that the run went back behind
            aside.rename(target)
            _flush(self.folder)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise CheckpointError(
                f"checkpoint {target} could not be written: {_reason(error)}. {self.describe_last_good()}"
            ) from error
        for old in self.paths()[: -self.keep]:
            shutil.rmtree(old)
        return target

    def paths(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted(path for path in self.folder.glob(f"{PREFIX}*") if path.is_dir())

    def last_good(self) -> Path | None:
        """The newest checkpoint whose files are what was written."""
        return next((path for path in reversed(self.paths()) if damage(path) is None), None)

    def describe_last_good(self) -> str:
        """One sentence for an error message."""
        path = self.last_good()
        return f"The last good checkpoint is {path}." if path else "There is no good checkpoint."

    def restore(self) -> dict[str, Any] | None:
        """Read the newest good checkpoint into the tracked variables; returns its state, None when there is none.

        A damaged one is skipped with a warning that says what is wrong and what is used instead. Raises CheckpointError
        when there are checkpoints and none is good.
        """
        paths = self.paths()
        if not paths:
            return None
        good = self.last_good()
        for path in reversed(paths):
            if path == good:
                break
            logger.warning("checkpoint %s is damaged (%s); %s", path, damage(path), self.describe_last_good())
        if good is None:
            raise CheckpointError(
                f"no checkpoint in {self.folder} is readable: {paths[-1].name} is damaged ({damage(paths[-1])}). "
                "Start again in another workdir."
            )
        self.tracked.read(str(good / "variables")).assert_consumed()
        return json.loads((good / STATE).read_text())


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


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, tf.errors.OpError) else str(error)
