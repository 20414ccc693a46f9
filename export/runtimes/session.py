"""The caller's side of `runner.py`: an artifact that runs in another process and answers images."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from kres.export import runner
from kres.export.files.errors import ArtifactError
from kres.export.files.presence import check_there

# For opening an artifact, and for each answer: a network of 1,202 layers takes seconds.
PATIENCE_SECONDS = 300.0
RUNNER = Path(runner.__file__)


class Session:
    """One artifact in a process of its own: `input` and `outputs` describe it, `version` and `machine` what runs it."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path, errors: IO[bytes]) -> None:
        self._process, self._path, self._errors = process, path, errors
        self._hangs = False
        with self._patience():
            description = json.loads(self._read(line=True))
        self.version: str = description["version"]
        self.machine: str = description["machine"]
        self.input: dict[str, Any] = description["input"]
        self.outputs: list[dict[str, Any]] = description["outputs"]
        self.tensors: list[dict[str, Any]] = description.get("tensors", [])

    @property
    def output(self) -> dict[str, Any]:
        """The only output, or the first of several."""
        return self.outputs[0]

    def answer(self, image: np.ndarray) -> np.ndarray:
        """Give the only (or first) float32 output for one image (h, w, c); the batch axis of both is left out."""
        return self.answers(image)[0]

    def answers(self, image: np.ndarray) -> list[np.ndarray]:
        """Give every float32 output, as `answer` does the first, and the inner tensors that it was opened with."""
        assert self._process.stdin is not None
        shapes = [tensor["shape"][1:] for tensor in (*self.outputs, *self.tensors)]
        with self._patience():
            try:
                self._process.stdin.write(np.ascontiguousarray(image, np.float32).tobytes())
                self._process.stdin.flush()
            except OSError as error:
                raise self._failure() from error
            blocks = [self._read(size=4 * int(np.prod(shape))) for shape in shapes]
        return [np.frombuffer(block, np.float32).reshape(shape) for block, shape in zip(blocks, shapes, strict=True)]

    @contextmanager
    def _patience(self) -> Iterator[None]:
        timer = threading.Timer(PATIENCE_SECONDS, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self._hangs = True
        self._process.kill()

    def _read(self, *, size: int = 0, line: bool = False) -> bytes:
        assert self._process.stdout is not None
        block = self._process.stdout.readline() if line else self._process.stdout.read(size)
        if (line and not block) or (not line and len(block) < size):
            raise self._failure()
        return block

    def _failure(self) -> ArtifactError:
        if self._hangs:
            return hanging(self._path, PATIENCE_SECONDS)
        return failure(self._path, self._process.wait(), self._errors)


def hanging(path: Path, seconds: float) -> ArtifactError:
    """Say in words that the runner's process was ended because it did not answer."""
    return ArtifactError(f"an artifact must answer, and this one has not for {seconds:g} s. Received: {path}")


def failure(path: Path, code: int, errors: IO[bytes]) -> ArtifactError:
    """Say in words how the runner's process ended."""
    errors.seek(0)
    lines = [line for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    if code < 0:
        reason = f"the interpreter crashed with {signal.Signals(-code).name}"
    else:
        # An exception's words come after the indented lines of its traceback, and may be several.
        frames = [row for row, line in enumerate(lines) if line[0].isspace()]
        words = lines[frames[-1] + 1 :] if frames else lines[-1:]
        reason = " ".join(line.strip() for line in words) or f"the interpreter ended with exit code {code}"
    return ArtifactError(f"an artifact must run in its interpreter, and this one does not: {reason}. Received: {path}")


def command(path: Path, *, threads: int, runtime: str, python: str) -> list[str]:
    """Give the command line that opens `path`, or raise ArtifactError where there is nothing to open."""
    check_there(path)
    # By its path, not as a module: `kres` itself would import Keras first, and an old runtime's Python has no kres.
    return [python, str(RUNNER), str(path), "--threads", str(threads), "--runtime", runtime]


def environment() -> dict[str, str]:
    """Give this process's environment without the notes that TensorFlow prints as it starts."""
    return {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}


@contextmanager
def opened(
    path: str | Path,
    *,
    threads: int = 2,
    runtime: str = "ai_edge_litert",
    python: str = sys.executable,
    tensors: Sequence[int] = (),
) -> Iterator[Session]:
    """Open an artifact in another process; raises ArtifactError when it cannot be opened, dies or hangs.

    `runtime` is the interpreter's package (`ai_edge_litert`, `tflite_runtime`), `python` a Python that has it.
    `tensors` are the indices of inner tensors to answer besides the output; with any, the file runs without XNNPACK.
    """
    arguments = command(Path(path), threads=threads, runtime=runtime, python=python)
    if tensors:
        arguments += ["--tensors", *map(str, tensors)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment()
        )
        try:
            yield Session(process, Path(path), errors)
        finally:
            process.kill()
            process.communicate()
