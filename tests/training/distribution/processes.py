"""Real worker processes, with scripts of a few lines."""

import subprocess
import sys
import time
from pathlib import Path

from kres.cli.launch import free_ports, tf_config
from tests.support import lean

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 240
# Garbage is not looked for: what a short process imports stays. `kres` comes last, so that an installed one wins.
BEFORE = f"import gc, sys; gc.disable(); sys.path.append({str(ROOT)!r})\n"


class Workers:
    """A process a worker, each with its own lines in a file; all are gone after the context."""

    def __init__(self, script: str, folder: Path, *, count: int = 2) -> None:
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports([0] * count)]
        self.files = [folder / f"{index}.txt" for index in range(count)]
        self.processes = []
        for index, file in enumerate(self.files):
            environment = {"TF_CONFIG": tf_config(self.addresses, index), "TF_NUM_INTRAOP_THREADS": "1"}
            with file.open("w") as output:
                process = subprocess.Popen(
                    [sys.executable, "-c", BEFORE + script],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=lean(CUDA_VISIBLE_DEVICES="-1", **environment),
                )
            self.processes.append(process)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def text(self, index: int) -> str:
        """What worker `index` has written."""
        return self.files[index].read_text(errors="replace")

    def texts(self) -> str:
        """What each has written."""
        return "\n".join(f"worker {index}:\n{self.text(index)}" for index in range(len(self.files)))

    def wait_for(self, word: str) -> None:
        """Until each worker has written `word`."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(word in self.text(index) for index in range(len(self.files))):
            for index, process in enumerate(self.processes):
                assert process.poll() in (None, 0), f"worker {index} failed\n{self.texts()}"
            assert time.monotonic() < deadline, self.texts()
            time.sleep(0.05)

    def end(self, index: int, seconds: float = PATIENCE_SECONDS) -> int:
        """The exit code of worker `index`, within `seconds`."""
        try:
            return self.processes[index].wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"worker {index} has not ended after {seconds:.0f} s\n{self.texts()}") from None
