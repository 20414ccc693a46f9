"""Which GPUs of a machine are whose, where several workers run on it."""

import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

from kres.training.distribution.cluster import Cluster, split_address

Gpu = TypeVar("Gpu")


def share(gpus: Sequence[Gpu], *, workers: int, devices: int | None) -> list[Sequence[Gpu]]:
    """The GPUs of each of `workers`: `devices`, or all shared out; none for anybody where there are none.

    Raises ValueError when they do not give each worker `devices`, or as many as the others.
    """
    if not gpus and not devices:
        return [gpus] * workers
    each = devices or len(gpus) // workers
    if not each or each * workers > len(gpus) or (devices is None and len(gpus) % workers):
        raise ValueError(
            f"{len(gpus)} GPUs do not give {workers} workers {devices or 'an equal number'} each; with "
            f"CUDA_VISIBLE_DEVICES=-1 they train on the CPU. Received: workers={workers}, devices={devices}"
        )
    return [gpus[worker * each : (worker + 1) * each] for worker in range(workers)]


def own(
    gpus: Sequence[Gpu], cluster: Cluster, *, devices: int | None, environ: Mapping[str, str] = os.environ
) -> Sequence[Gpu]:
    """Those of the visible `gpus` that are this worker's alone: all of them, or its share where they are its node's.

    Raises ValueError as `share` does.
    """
    if not sees_the_nodes(len(gpus), environ):
        return gpus
    host = split_address(cluster.address)[0]
    here = [place for place, address in enumerate(cluster.workers) if split_address(address)[0] == host]
    return share(gpus, workers=len(here), devices=devices)[here.index(cluster.index)] if len(here) > 1 else gpus


def sees_the_nodes(count: int, environ: Mapping[str, str]) -> bool:
    """Whether a task of a Slurm step that sees `count` GPUs sees all of the node's, and so do the others there.

    With --gpus-per-task Slurm sets SLURM_GPUS_PER_TASK and gives each task its own; with --gpu-bind a task may see
    fewer than SLURM_GPUS_ON_NODE. Without either all tasks see all. Other ways to start workers hide what is not a
    worker's.
    """
    if environ.get("TF_CONFIG") or "SLURM_STEP_NUM_TASKS" not in environ or "SLURM_GPUS_PER_TASK" in environ:
        return False
    return count >= int(environ.get("SLURM_GPUS_ON_NODE") or 0)
