"""Several processes as one: their lines told apart, their ends tied together, signals passed on, no orphan left."""

import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

logger = logging.getLogger(__name__)

GRACE_SECONDS = 60.0
STOPPING = (signal.SIGINT, signal.SIGTERM)
KILLED = 128 + signal.SIGKILL
SAME_REQUEST_SECONDS = 1.0
"""Signals that follow the first so closely are one request with it: a hand is quick, and others pass them on too."""
COLOURS = (36, 33, 32, 35, 34, 31)

# Linux ends the command when this process is gone, however it went: prctl(PR_SET_PDEATHSIG) outlives the exec. Not by
# preexec_fn, which may lock up in a process with TensorFlow's threads.
TIED = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the launcher is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What one process runs, the tag of its lines, the name of its log, and its environment besides this one's."""

    name: str
    tag: str
    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Ended(NamedTuple):
    """The exit `code` of several processes as one, and whether they were `asked` to end by SIGINT or SIGTERM."""

    code: int
    asked: bool


def launch(
    workers: Sequence[Command],
    *,
    services: Sequence[Command] = (),
    log_dir: Path | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> Ended:
    """Run `workers` side by side, and `services` as long as they run; give 0 or the first failure's exit code.

    When a worker fails or a service ends, the others get SIGTERM, and SIGKILL after `grace_seconds`. SIGINT and SIGTERM
    are passed on to the workers once, so that they may save and end with 130 and 143; one that comes more than
    `SAME_REQUEST_SECONDS` later kills all. The code is 137 when a worker was killed all the same. A process that a
    signal ended counts as 128 plus its number. Each line of theirs carries the tag, but for the first worker's standard
    output, which is the run's result and passes as it is; on a terminal the first worker also keeps its standard error,
    and so its progress bar, unless `log_dir` holds `NAME.log` of each. On Linux no process outlives this one, even if
    that is killed. Call it from the main thread.
    """
    ends: queue.SimpleQueue[tuple[Child, int]] = queue.SimpleQueue()
    asked = Signals()
    with ExitStack() as stack:
        stack.enter_context(asked)
        if log_dir:
            log_dir.mkdir(parents=True, exist_ok=True)
        children: list[Child] = []
        for place, command in enumerate((*services, *workers)):
            first = place == len(services)
            child = Child(command, ends, colour=COLOURS[place % len(COLOURS)], first=first, log_dir=log_dir)
            stack.callback(child.close)
            children.append(child)
        helpers, running = children[: len(services)], children[len(services) :]
        code = _until_ended(running, helpers, ends, asked, grace_seconds)
        _stop(helpers, grace_seconds)
        return Ended(code, asked=bool(asked.received))


def _until_ended(
    running: list["Child"],
    helpers: list["Child"],
    ends: "queue.SimpleQueue[tuple[Child, int]]",
    asked: "Signals",
    grace_seconds: float,
) -> int:
    """Wait until all of `running` have ended; the first code that is not 0 of any child."""
    code, deadline, passed = 0, float("inf"), 0
    left = {*running}
    while left:
        if len(asked.received) > passed:
            passed += 1
            _pass_on(left, asked.received[0], first=passed == 1)
            deadline = time.monotonic() + grace_seconds
        if time.monotonic() > deadline:
            names = ", ".join(child.command.name for child in left)
            logger.warning("%s did not end within %.0f s and is killed", names, grace_seconds)
            _signal(left, signal.SIGKILL)
            deadline = float("inf")
        try:
            child, ended = ends.get(timeout=0.1)
        except queue.Empty:
            continue
        left.discard(child)
        if child in helpers:
            ended = ended or 1  # a service has no good end before its workers'
        if asked.received and ended == KILLED:
            code = ended  # whatever others saved: it could not
        if ended and not code:
            code = ended
            if not asked.received:
                logger.error("%s ended with %s; the others are stopped", child.command.name, _told(ended))
                _signal(left, signal.SIGTERM)
                deadline = time.monotonic() + grace_seconds
    return code


def _pass_on(children: Iterable["Child"], number: int, *, first: bool) -> None:
    """Ask to end as the first signal asks; kill at another."""
    name = signal.Signals(number).name
    if first:
        logger.warning("%s is passed on; press Ctrl-C again (or signal again) to kill the workers, unsaved", name)
        _signal(children, number)
    else:
        logger.warning("asked again after %s: the workers are killed", name)
        _signal(children, signal.SIGKILL)


def _stop(children: list["Child"], grace_seconds: float) -> None:
    _signal(children, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and any(child.process.poll() is None for child in children):
        time.sleep(0.05)


def _signal(children: Iterable["Child"], number: int) -> None:
    for child in children:
        child.send(number)


def _told(code: int) -> str:
    return f"{signal.Signals(code - 128).name}" if code - 128 in [*signal.Signals] else f"exit code {code}"


class Signals:
    """Within its context SIGINT and SIGTERM are kept in `received`, in place of what they did before.

    Those of the `SAME_REQUEST_SECONDS` after the first are one request with it.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._asked_at = float("-inf")

    def __enter__(self) -> "Signals":
        self._before = {number: signal.signal(number, self._keep) for number in STOPPING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _keep(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._asked_at <= SAME_REQUEST_SECONDS:
            return
        self._asked_at = now
        self.received.append(number)


class Child:
    """One process in a session of its own: Ctrl-C reaches it through the launcher alone, and once."""

    def __init__(
        self,
        command: Command,
        ends: "queue.SimpleQueue[tuple[Child, int]]",
        *,
        colour: int,
        first: bool,
        log_dir: Path | None,
    ) -> None:
        self.command = command
        shows_bar = first and log_dir is None and sys.stderr.isatty()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", TIED, str(os.getpid()), *command.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if shows_bar else subprocess.PIPE,
            env={**os.environ, **command.environment},
            start_new_session=True,
        )
        self._log = (log_dir / f"{command.name}.log").open("ab", buffering=0) if log_dir else None
        streams = [
            (self.process.stdout, sys.stdout, b"" if first else _prefix(command.tag, colour, sys.stdout)),
            (self.process.stderr, sys.stderr, _prefix(command.tag, colour, sys.stderr)),
        ]
        self._threads = [
            threading.Thread(target=_copy, args=(source, target, self._log, prefix), daemon=True)
            for source, target, prefix in streams
            if source
        ]
        self._threads.append(threading.Thread(target=self._wait, args=(ends,), daemon=True))
        for thread in self._threads:
            thread.start()

    def send(self, number: int) -> None:
        """Send a signal; SIGKILL goes to all that the process has started, too."""
        if self.process.poll() is not None:
            return
        if number == signal.SIGKILL:
            self._kill_group()
        else:
            self.process.send_signal(number)

    def close(self) -> None:
        """Kill it if it still runs, and wait until its last line is shown."""
        self.send(signal.SIGKILL)
        for thread in self._threads:
            thread.join()
        if self._log:
            self._log.close()

    def _wait(self, ends: "queue.SimpleQueue[tuple[Child, int]]") -> None:
        code = self.process.wait()
        self._kill_group()  # what it started and left behind
        ends.put((self, code if code >= 0 else 128 - code))

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def _prefix(tag: str, colour: int, stream: IO[str]) -> bytes:
    if not stream.isatty():
        return f"[{tag}] ".encode()
    return f"\r\x1b[2K\x1b[{colour}m[{tag}]\x1b[0m ".encode()  # the first worker's bar, which is drawn again, makes way


def _copy(source: IO[bytes], target: IO[str], log: IO[bytes] | None, prefix: bytes) -> None:
    """Copy lines, each in one write, so that those of several threads do not mix."""
    with source:
        for line in source:
            line = line.rstrip(b"\n") + b"\n"  # the last may lack its end, and the other stream's follow
            if log:
                log.write(line)
            target.write((prefix + line).decode(errors="replace"))
            target.flush()
