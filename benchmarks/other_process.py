"""Another library in a process of its own, because beside TensorFlow it may crash: a line asks, and seconds answer."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

READY = "ready"


class OtherProcess:
    """A module of this folder that serves, running; a context. `absent` says why it does not, or is empty.

    `variable` of the environment names a Python that has what the module imports, where this one has not.
    """

    def __init__(self, module: str, *words: object, variable: str = "KRES_TORCH_PYTHON") -> None:
        root = str(Path(__file__).resolve().parents[1])
        python = os.environ.get(variable, sys.executable)
        # A file, since a pipe that nobody reads stops a talkative library when it is full.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, "-m", f"benchmarks.{module}", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        assert self._process.stdout
        self.absent = ""
        if self._process.stdout.readline().strip() != READY:
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            error = self._errors.read().strip().splitlines()
            self.absent = f"{error[-1] if error else 'it ended'} (${variable} may name a Python that has it)"

    def __enter__(self) -> "OtherProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._errors.close()

    def run(self, question: str) -> float:
        """Seconds that what `question` names took."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def answering() -> TextIO:
    """Standard output for the answers alone; what libraries print from now on goes to standard error."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return own


def serve(answers: Mapping[str, Callable[[], float]], to: TextIO | None = None) -> None:
    """Answer the lines of standard input with the seconds that each one's function gives."""
    to = to or answering()
    print(READY, file=to, flush=True)
    for line in sys.stdin:
        print(answers[line.strip()](), file=to, flush=True)
