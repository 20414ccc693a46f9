"""What a run ran on and was started by, as its `run.json` keeps it: facts that may be shown with the model."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from kres.hardware import computer
from kres.training.workdir import utc_now

GIT_SECONDS = 10
"""What a repository's answer may take."""


def facts_of(strategy: tf.distribute.Strategy, *, steps: int, found: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `run.json` says beside the settings: `steps` of the run, times, command line, git revision, hardware.

    `found` is the `run.json` of a run that goes on: it keeps its start and gets one more time under `resumed`. There
    are no environment variables in it and no name of a user or a host; the home directory is written `~`.
    """
    earlier = found or {}
    now = utc_now()
    started = earlier.get("started")
    return {
        "steps": steps,
        "started": now if found is None else started,  # runs of kres 0.1 do not say
        "resumed": [*earlier.get("resumed", ()), *(() if found is None else (now,))],
        "command": command_line(),
        "git": git_revision(),
        "hardware": {**computer(), **devices_of(strategy)},
    }


def command_line() -> list[str] | None:
    """The words by which the `kres` command was called; None in a program that uses kres."""
    if "kres_command" not in sys.modules:  # what the installed script imports, and nothing else does
        return None
    home = re.escape(str(Path.home())) + r"(?=/|$)"
    return ["kres", *(re.sub(home, "~", word) for word in sys.argv[1:])]


def git_revision(folder: Path | None = None) -> dict[str, Any] | None:
    """`revision` and `dirty` (tracked files were changed) of the repository around `folder`, by default the current.

    None outside a repository, in one without a commit, and without git.
    """
    revision = _git("rev-parse", "HEAD", folder=folder)
    changes = _git("status", "--porcelain", "--untracked-files=no", folder=folder)
    if revision is None or changes is None:
        return None
    return {"revision": revision.strip(), "dirty": bool(changes.strip())}


def _git(*arguments: str, folder: Path | None) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def devices_of(strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Names of the accelerators that TensorFlow sees here, the strategy, its replicas and its workers."""
    accelerators = [device for device in tf.config.list_physical_devices() if device.device_type in ("GPU", "TPU")]
    name = type(strategy).__name__
    return {
        "accelerators": [_name(device) for device in accelerators],
        "strategy": _STRATEGIES.get(name, name),
        "replicas": strategy.num_replicas_in_sync,
        "workers": _workers(strategy),
    }


# Classes whose public name is another, and the one that stands for having none.
_STRATEGIES = {
    "_DefaultDistributionStrategy": "one device",
    "CollectiveAllReduceStrategy": "MultiWorkerMirroredStrategy",
}


def _name(device: Any) -> str:
    return str(tf.config.experimental.get_device_details(device).get("device_name", device.device_type))


def _workers(strategy: tf.distribute.Strategy) -> int:
    resolver = strategy.cluster_resolver
    if resolver is None:
        return 1
    cluster = resolver.cluster_spec()
    return sum(cluster.num_tasks(job) for job in cluster.jobs if job in ("chief", "worker")) or 1
