"""Latency, size, memory, delegation and operators of an artifact, measured in a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kres.export.files.inspection import artifact_format, size
from kres.export.formats import FORMATS
from kres.export.runtimes.operators import Part, cut
from kres.export.runtimes.session import PATIENCE_SECONDS, command, environment, failure, hanging

RUNS = 50


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """How many of a file's `nodes` the XNNPACK delegate took, and in how many `partitions` it runs them.

    Between two partitions values leave the delegate's layout, and one thread runs what it did not take.
    """

    nodes: int
    taken: int
    partitions: int

    @property
    def share(self) -> float:
        """Of the nodes that were taken."""
        return self.taken / self.nodes


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Median milliseconds of one operator, timed alone in a file cut out of the artifact; None where it needs others.

    `name` is its type, and those of what XNNPACK computes along with it; `layer` is the one that it computes, as the
    file names it; `share` is of the sum over all operators.
    """

    name: str
    layer: str
    ms: float | None
    share: float | None


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Milliseconds of one image at batch 1, median and quartiles of `runs`; `peak_bytes` is the most memory it took.

    `delegation` and `operators`, in the graph's order, are a TFLite file's alone; `operators` only where asked for.
    """

    path: str
    format: str
    threads: int
    runs: int
    median_ms: float
    low_ms: float
    high_ms: float
    size_bytes: int
    peak_bytes: int | None
    delegation: Delegation | None = None
    operators: tuple[Operator, ...] = ()

    def slowest(self, n: int) -> list[Operator]:
        """The operators that took the longest, at most `n`, the slowest first."""
        return sorted(self.operators, key=lambda operator: -(operator.ms or 0))[:n]


def benchmark(path: str | Path, threads: int = 2, *, runs: int = RUNS, operators: bool = False) -> Timing:
    """Time an artifact on seeded random input after a warm-up, a TFLite file with XNNPACK.

    With `operators`, each operator of a TFLite file is timed too: alone, by as many runs, in a file that holds nothing
    else. Their sum is near the whole, but a value that has just been computed may lie nearer than a small file's input.

    Compare timings of one run on one machine alone. Raises ArtifactError for what cannot be run, ValueError for fewer
    than one thread or run.
    """
    if threads < 1 or runs < 1:
        raise ValueError(f"threads and runs must be at least 1. Received: threads={threads}, runs={runs}")
    path = Path(path)
    name = artifact_format(path)
    parts = cut(path) if operators and FORMATS[name].tflite else []
    with _written(parts) as directory:
        result = _measured(path, threads, runs, ["--parts", directory] if parts else [])
    low, median, high = np.percentile(result["times_ms"], (25, 50, 75))
    return Timing(
        path=str(path),
        format=name,
        threads=threads,
        runs=runs,
        median_ms=float(median),
        low_ms=float(low),
        high_ms=float(high),
        size_bytes=size(path),
        peak_bytes=result["peak_bytes"],
        delegation=Delegation(**result["delegation"]) if result["delegation"] else None,
        operators=_operators(parts, result.get("parts_ms", [])),
    )


@contextmanager
def _written(parts: list[Part]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        for k, part in enumerate(parts):
            Path(directory, f"{k:05}.tflite").write_bytes(part.content)
        yield directory


def _measured(path: Path, threads: int, runs: int, options: list[str]) -> dict[str, Any]:
    arguments = command(path, threads=threads, runtime="ai_edge_litert", python=sys.executable)
    arguments += ["--measure", str(runs), *options]
    patience = PATIENCE_SECONDS * max(1, runs / RUNS)
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                arguments, check=False, stdout=subprocess.PIPE, stderr=errors, env=environment(), timeout=patience
            )
        except subprocess.TimeoutExpired as error:
            raise hanging(path, patience) from error
        if done.returncode:
            raise failure(path, done.returncode, errors)
    return json.loads(done.stdout)


def _operators(parts: list[Part], times: list[float | None]) -> tuple[Operator, ...]:
    total = sum(ms for ms in times if ms is not None)
    return tuple(
        Operator(name=part.name, layer=part.layer, ms=ms, share=None if ms is None else ms / total)
        for part, ms in zip(parts, times, strict=True)
    )
