"""torchvision's transforms under PyTorch's DataLoader, in a process of its own: PyTorch beside TensorFlow may crash.

As a program it takes a folder, a number of images and a batch size, and answers each line of standard input, "training"
or "evaluation", with the seconds that those images took.
"""

import os
import subprocess
import sys
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import timed
from benchmarks.input_rivals import SHORTER, SIZE, WORKERS

INTERPRETER = "KRES_TORCH_PYTHON"
"""The variable that names a Python with torchvision, where this one has none."""
READY = "ready"


class TorchvisionRival:
    """The program below, running; a context. `absent` says why it does not, or is empty."""

    def __init__(self, folder: Path, *, count: int, batch: int) -> None:
        root = str(Path(__file__).resolve().parents[1])
        python = os.environ.get(INTERPRETER, sys.executable)
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.input_torchvision", str(folder), str(count), str(batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        assert self._process.stdout and self._process.stderr
        self.absent = ""
        if self._process.stdout.readline().strip() != READY:
            error = self._process.stderr.read().strip().splitlines()
            self.absent = f"{error[-1] if error else 'it ended'} (${INTERPRETER} may name a Python that has it)"

    def __enter__(self) -> "TorchvisionRival":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, kind: str) -> float:
        """Seconds of all the images."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{kind}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def loaders(folder: str, *, count: int, batch: int) -> dict[str, Any]:
    """A DataLoader of `count` images for each kind of pipeline; its worker processes stay."""
    import torch
    from torchvision import datasets, transforms

    steps: dict[str, list[Any]] = {
        "training": [transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip()],
        "evaluation": [transforms.Resize(SHORTER), transforms.CenterCrop(SIZE)],
    }
    found = {}
    for kind, parts in steps.items():
        data = datasets.ImageFolder(folder, transforms.Compose([*parts, transforms.PILToTensor()]))
        some = torch.utils.data.Subset(data, [number % len(data) for number in range(count)])
        found[kind] = torch.utils.data.DataLoader(some, batch_size=batch, num_workers=WORKERS, persistent_workers=True)
    return found


def serve(folder: str, count: str, batch: str) -> None:
    """Answer the lines of standard input."""
    of_kind = loaders(folder, count=int(count), batch=int(batch))
    print(READY, flush=True)
    for line in sys.stdin:
        print(timed(partial(deque, of_kind[line.strip()], maxlen=0)), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
