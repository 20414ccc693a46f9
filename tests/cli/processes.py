"""The `kres` command in a process of its own, as a shell starts it, and signals sent to it at the right moment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support import lean

# What the installed script does; a checkout alone has none.
KRES = [sys.executable, "-c", "import kres_command; kres_command.main()"]
PATIENCE_SECONDS = 240


def start(
    *arguments: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = KRES,
) -> subprocess.Popen[str]:
    """Start the command; its log lines are not folded."""
    return subprocess.Popen(
        [*program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=lean(COLUMNS="500", **(environment or {})),
    )


def finish(process: subprocess.Popen[str], *codes: int) -> tuple[str, str]:
    """Wait for the end, with one of `codes`, and give standard output and standard error."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode in codes, (process.returncode, out, err)
    return out, err


def kres(*arguments: str, code: int = 0) -> tuple[str, str]:
    """Run the command to its end."""
    return finish(start(*arguments), code)


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str], *, every: float = 0.02) -> None:
    """Wait until `happened()`, asked `every` so many seconds; fail if the process ends before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(every)


def when(happened: Callable[[], object], process: subprocess.Popen[str], number: int) -> None:
    """Send a signal as soon as `happened()`; fail if the process ends before."""
    wait_for(happened, process)
    process.send_signal(number)


def freeze(process: subprocess.Popen[str]) -> None:
    """Halt the process where it is, until SIGCONT: what is seen of it meanwhile stays so."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
