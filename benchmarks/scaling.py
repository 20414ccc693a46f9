"""Training by 1, 2 and 4 workers of `kres launch` on the same cores: what distribution costs, and communication in it.

Each run has all cores of this machine, shared out evenly among its workers, so nothing can be faster than one process:
the ratio says how much of its speed is kept. "Alone" are as many processes that train on as large batches at once, each
for itself: what the workers take beyond that is communication, the waiting for one another in it. A round here is
another readout of the same runs, not another start.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from benchmarks.harness import Row, arguments, report

# isort: split
import numpy as np

from kres.cli.launch import KRES, threads_of
from kres.training import read_history


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Training runs of the same size: on which data, and how often the step is read out."""

    folder: Path
    data: Path
    network: Mapping[str, str]
    """The recipe's fields that make it."""
    size: int
    readouts: int
    steps: int
    """Of each readout."""

    def together(self, workers: int, batch: int) -> list[float]:
        """Seconds a step of `workers` that share a batch of `batch` images; one worker has all the cores."""
        workdir = self._workdir()
        words = self._words(workdir, batch)
        if workers > 1:
            words = ["launch", "--workers", str(workers), "--", *words]
        _end([_start(words, {})])
        return self._seconds(workdir, batch)

    def alone(self, processes: int, batch: int) -> list[float]:
        """Seconds a step of `processes` at once, each with its share of the cores and a batch of its own; the mean."""
        workdirs = [self._workdir() for _ in range(processes)]
        _end([_start(self._words(workdir, batch), threads_of(processes)) for workdir in workdirs])
        return np.mean([self._seconds(workdir, batch) for workdir in workdirs], axis=0).tolist()

    def _workdir(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder)) / "run"

    def _words(self, workdir: Path, batch: int) -> list[str]:
        length = self.steps * (self.readouts + 1)
        settings = {
            **self.network,
            "images.train_size_px": self.size,
            "images.test_size_px": self.size,
            "augmentation.padding_px": 0,
            "schedule.kind": "constant",
            "schedule.decay_at": "",
            "schedule.warmup": 0,
            "schedule.learning_rate": 0.001,
            "schedule.length": length,
            "watch.log_every_steps": self.steps,
            "watch.evaluate_every": length,
            "watch.checkpoint_every_steps": length,
        }
        changes = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        run = ["--recipe", "digits_resnet20", "--workdir", str(workdir), "--batch-size", str(batch)]
        return ["train", str(self.data), *run, *changes]

    def _seconds(self, workdir: Path, batch: int) -> list[float]:
        # The graph is made in the steps of the first readout.
        return [batch / row.images_per_second for row in read_history(workdir)[1:]]


def _start(words: list[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [*KRES, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def _end(processes: list[subprocess.Popen[str]]) -> None:
    outputs = [process.communicate()[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        if process.returncode:
            sys.exit(f"A run failed with exit code {process.returncode}:\n{output[-3000:]}")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """`workers` that share a batch of `batch` images, and what they are held against."""

    kind: str
    workers: int
    batch: int
    base: int
    """The batch of the one process."""

    def rows(self, shared: list[float], single: list[float], alone: list[float]) -> list[Row]:
        """Against one process and against as many alone, in seconds for 1,000 images."""
        name = f"{self.kind}, {self.workers} workers of {self.batch // self.workers} images"
        return [
            Row(name=f"{name}, against 1 of {self.base}", kres=shared, stock=single),
            Row(name=f"{name}, against as many alone", kres=shared, stock=alone),
        ]


def compared(runs: Runs, setups: list[Setup]) -> list[Row]:
    """The rows of all setups; what several of them share is measured once."""

    @cache
    def together(workers: int, batch: int) -> list[float]:
        return [1000 * seconds / batch for seconds in runs.together(workers, batch)]

    @cache
    def alone(workers: int, batch: int) -> list[float]:
        return [1000 * seconds / batch for seconds in runs.alone(workers, batch // workers)]

    rows = []
    for setup in setups:
        shared, apart = together(setup.workers, setup.batch), alone(setup.workers, setup.batch)
        rows += setup.rows(shared, together(1, setup.base), apart)
    return rows


def page(setups: list[Setup], rows: list[Row]) -> str:
    """The table of docs/scaling.md."""
    lines = ["| | Images/s, workers | Images/s, one process | Ratio | Communication |", "| --- " * 5 + "|"]
    for setup, against_one, against_alone in zip(setups, rows[::2], rows[1::2], strict=True):
        shared, single = (1000 / median(seconds) for seconds in (against_one.kres, against_one.stock))
        communication = max(1 - against_alone.ratio, 0.0)
        name = f"{setup.kind}: {setup.workers} x {setup.batch // setup.workers} images against {setup.base}"
        lines.append(f"| {name} | {shared:.1f} | {single:.1f} | {against_one.ratio:.2f} | {communication:.0%} |")
    return "\n".join(lines)


def main() -> None:
    options = arguments(__doc__)
    size, each, steps, counts = (8, 2, 1, (2,)) if options.toy else (64, 16, 4, (2, 4))
    network = {"network.depths": "1,1,1"} if options.toy else {"network.row": "resnet18"}
    setups = [
        *(Setup(kind="weak", workers=count, batch=count * each, base=each) for count in counts),
        *(Setup(kind="strong", workers=count, batch=2 * each, base=2 * each) for count in counts),
    ]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "random.npz"
        images = np.random.default_rng(0).integers(0, 256, (64, size, size, 3), np.uint8)
        labels = np.arange(len(images)) % 10
        np.savez(data, x_train=images, y_train=labels, x_test=images[:10], y_test=labels[:10])
        runs = Runs(folder=Path(folder), data=data, network=network, size=size, readouts=options.rounds, steps=steps)
        rows = compared(runs, setups)
    report(rows, options)
    if not options.json:
        print(page(setups, rows))


if __name__ == "__main__":
    main()
