"""PyTorch in a process of its own, because beside TensorFlow it may crash: a line asks, and seconds answer."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

INTERPRETER = "KRES_TORCH_PYTHON"
"""The variable that names a Python with torchvision, where this one has none."""
READY = "ready"


class TorchProcess:
    """A module of this folder that serves, running; a context. `absent` says why it does not, or is empty."""

    def __init__(self, module: str, *words: object) -> None:
        root = str(Path(__file__).resolve().parents[1])
        python = os.environ.get(INTERPRETER, sys.executable)
        self._process = subprocess.Popen(
            [python, "-m", f"benchmarks.{module}", *map(str, words)],
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

    def __enter__(self) -> "TorchProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, question: str) -> float:
        """Seconds that what `question` names took."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def serve(answers: Mapping[str, Callable[[], float]]) -> None:
    """Answer the lines of standard input with the seconds that each one's function gives."""
    print(READY, flush=True)
    for line in sys.stdin:
        print(answers[line.strip()](), flush=True)
