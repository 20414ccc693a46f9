"""Where a process stands among the workers of a run: from TF_CONFIG, or from what Slurm's `srun` sets."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Below the ports that Linux gives to outgoing connections (32768 and up). Jobs on one node keep a distance.
SLURM_PORTS = range(15000, 31000)
SLURM_PORTS_A_JOB = 16


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The `host:port` of each worker of a run, and the `index` of this process; worker 0 is the chief."""

    workers: tuple[str, ...]
    index: int

    def __post_init__(self) -> None:
        if not self.workers:
            raise ValueError("a cluster must list its workers as host:port. Received: workers=[]")
        for address in self.workers:
            split_address(address)
        twice = sorted({address for address in self.workers if self.workers.count(address) > 1})
        if twice:
            raise ValueError(f"each worker needs an address of its own. Received: {', '.join(twice)} more than once")
        if not 0 <= self.index < len(self.workers):
            raise ValueError(
                f"a worker's index must lie in 0..{len(self.workers) - 1}, there being {len(self.workers)} workers. "
                f"Received: index={self.index}"
            )

    @property
    def address(self) -> str:
        """Where this process listens."""
        return self.workers[self.index]


def find_cluster(environ: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that the environment tells of, None where it tells of none or of this process alone.

    TF_CONFIG comes before Slurm. Raises ValueError when either is malformed.
    """
    if environ.get("TF_CONFIG"):
        cluster = parse_tf_config(environ["TF_CONFIG"])
    elif "SLURM_STEP_NUM_TASKS" in environ:
        cluster = parse_slurm(environ)
    else:
        return None
    return cluster if len(cluster.workers) > 1 else None


def parse_tf_config(text: str) -> Cluster:
    """The cluster that a TF_CONFIG describes: `{"cluster": {"worker": [...]}, "task": {"type": "worker", "index": 0}}`.

    Raises ValueError for anything else, other roles (chief, ps, evaluator) too: all workers train, worker 0 writes.
    """
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"TF_CONFIG must be JSON: {error}. Received: TF_CONFIG={text!r}") from error
    roles, task = (_entry(config, name, dict, text) for name in ("cluster", "task"))
    others = sorted(role for role in {*roles, task.get("type", "worker")} if role != "worker")
    if others:
        raise ValueError(
            f"TF_CONFIG may hold the role 'worker' alone, and worker 0 is the chief. Received: {', '.join(others)}"
        )
    workers, index = _entry(roles, "worker", list, text), _entry(task, "index", (int, str), text)
    if not all(isinstance(worker, str) for worker in workers) or not str(index).isdecimal():
        raise ValueError(f"TF_CONFIG lists workers as 'host:port' and an index of 0 or more. Received: {text!r}")
    return Cluster(workers=tuple(workers), index=int(index))


def parse_slurm(environ: Mapping[str, str]) -> Cluster:
    """The cluster of a Slurm step: a worker a task, as `srun` sets them out.

    Reads SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE, SLURM_STEP_NUM_TASKS, SLURM_PROCID and SLURM_JOB_ID. Those of
    the step, and not of the job, because a batch script has the job's too and is no worker. TensorFlow's
    SlurmClusterResolver sorts host names as text, which puts n10 before n9 and so gives tasks another's address, and
    needs `nvidia-smi`. KRES_PORT sets the port of each node's first worker; else it follows from the job's number.

    Raises ValueError when a variable is missing or malformed, and for tasks that are not dealt node by node.
    """
    hosts = expand_hosts(_variable(environ, "SLURM_STEP_NODELIST"))
    counts = expand_counts(_variable(environ, "SLURM_STEP_TASKS_PER_NODE"))
    tasks = _number(environ, "SLURM_STEP_NUM_TASKS")
    if len(hosts) != len(counts) or sum(counts) != tasks:
        raise ValueError(
            f"Slurm's variables contradict one another. Received: {len(hosts)} nodes with {counts} tasks, "
            f"SLURM_STEP_NUM_TASKS={tasks}"
        )
    dealt = environ.get("SLURM_DISTRIBUTION", "block")
    if max(counts) > 1 and not dealt.startswith("block"):
        raise ValueError(
            f"tasks must be dealt node by node: use srun --distribution=block. Received: SLURM_DISTRIBUTION={dealt!r}"
        )
    base = _number(environ, "KRES_PORT") if "KRES_PORT" in environ else _port_of(_number(environ, "SLURM_JOB_ID"))
    workers = [f"{host}:{base + place}" for host, count in zip(hosts, counts, strict=True) for place in range(count)]
    return Cluster(workers=tuple(workers), index=_number(environ, "SLURM_PROCID"))


def expand_hosts(text: str) -> list[str]:
    """The hosts of a Slurm host list, in its order: `"n[9-10],m1"` -> `["n9", "n10", "m1"]`."""
    parts = re.findall(r"(?:[^,\[\]]|\[[\d,-]+\])+", text)
    if not parts or ",".join(parts) != text:
        raise ValueError(f"a Slurm host list looks like node[01-04,7],login. Received: {text!r}")
    return [host for part in parts for host in _expand(part, text)]


def _expand(part: str, text: str) -> Iterator[str]:
    found = re.search(r"\[([\d,-]+)\]", part)
    if not found:
        yield part
        return
    for piece in found[1].split(","):
        first, dash, last = piece.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise ValueError(f"{piece!r} is no range of a Slurm host list. Received: {text!r}")
        for number in range(int(first), int(last) + 1):
            yield from _expand(f"{part[: found.start()]}{number:0{len(first)}}{part[found.end() :]}", text)


def expand_counts(text: str) -> list[int]:
    """The tasks of each node: `"2(x3),1"` -> `[2, 2, 2, 1]`."""
    counts: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if not found:
            raise ValueError(f"Slurm writes tasks per node like 2(x3),1. Received: {text!r}")
        counts += [int(found[1])] * int(found[2] or 1)
    return counts


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`; ValueError for anything else."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"an address must be host:port, the port in 1..65535. Received: {address!r}")
    return host.strip("[]"), int(port)


def _entry(mapping: Any, name: str, kind: type | tuple[type, ...], text: str) -> Any:
    if not isinstance(mapping, dict) or not isinstance(mapping.get(name), kind):
        raise ValueError(f"TF_CONFIG has no {name!r}, or not of the right type. Received: TF_CONFIG={text!r}")
    return mapping[name]


def _variable(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise ValueError(f"in a Slurm step {name} must be set, as srun does. Received: {name}={environ.get(name)!r}")
    return environ[name]


def _number(environ: Mapping[str, str], name: str) -> int:
    text = _variable(environ, name)
    if not text.isdecimal():
        raise ValueError(f"{name} must be an integer of 0 or more. Received: {name}={text!r}")
    return int(text)


def _port_of(job: int) -> int:
    return SLURM_PORTS.start + job * SLURM_PORTS_A_JOB % len(SLURM_PORTS)
