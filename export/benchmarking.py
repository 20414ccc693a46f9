"""Latency, size and memory of an artifact, measured in a process of its own."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kres.export.inspection import artifact_format, size
from kres.export.session import PATIENCE_SECONDS, command, environment, failure, hanging

RUNS = 50


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Milliseconds of one image at batch 1, median and quartiles of `runs`; `peak_bytes` is the most memory it took."""

    path: str
    format: str
    threads: int
    runs: int
    median_ms: float
    low_ms: float
    high_ms: float
    size_bytes: int
    peak_bytes: int | None


def benchmark(path: str | Path, threads: int = 2, *, runs: int = RUNS) -> Timing:
    """Time an artifact on seeded random input after a warm-up, a TFLite file with XNNPACK.

    Compare timings of one run on one machine alone. Raises ArtifactError for what cannot be run, ValueError for fewer
    than one thread or run.
    """
    if threads < 1 or runs < 1:
        raise ValueError(f"threads and runs must be at least 1. Received: threads={threads}, runs={runs}")
    path = Path(path)
    name = artifact_format(path)
    arguments = command(path, threads=threads, runtime="ai_edge_litert", python=sys.executable)
    arguments += ["--measure", str(runs)]
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
    result = json.loads(done.stdout)
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
    )
