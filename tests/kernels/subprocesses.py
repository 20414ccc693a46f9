"""A script in a fresh interpreter, for what is decided before TensorFlow or Keras is imported."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# To look through what TensorFlow's import makes, which stays, takes a third of a short script's time.
BEFORE = "import gc; gc.disable()\n"


def run_python(code: str, **environment: str) -> str:
    """Run `code` and give back the last line of its standard output; AssertionError with its error output if it fails.

    Not a line of its standard error is looked at otherwise: `run_python_with_errors` gives that back as well.
    """
    return run_python_with_errors(code, **environment)[0]


def run_python_with_errors(code: str, **environment: str) -> tuple[str, str]:
    """The last line of standard output, and the whole of standard error."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return (done.stdout.strip().splitlines() or [""])[-1], done.stderr
