"""Ctrl-C and SIGTERM: ask the loop to stop after the step in hand."""

import logging
import queue
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

logger = logging.getLogger(__name__)

STOPPING = (signal.SIGINT, signal.SIGTERM)
SAME_REQUEST_SECONDS = 1.0
"""A signal often comes twice: by a quick hand, or from a terminal and from what passes it on."""


class Interrupted(RuntimeError):
    """A run was asked to stop, and did, with a checkpoint; `exit_code` is what a process should end with."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class StopRequest:
    """Within its context the first signal sets `received`, and one that comes later does what it did before.

    Those of the `same_request_seconds` after the first are one request with it. Outside the main thread, where Python
    allows no handlers, it changes nothing.
    """

    def __init__(self, *, same_request_seconds: float = SAME_REQUEST_SECONDS) -> None:
        self.received: int | None = None
        self._same_request_seconds = same_request_seconds
        self._asked_at = 0.0
        self._before: dict[int, Any] = {}
        # A handler may have interrupted whoever holds the lock of a log: a thread tells, which may wait.
        self._to_tell: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._teller.start()
            self._before = {number: signal.signal(number, self._handle) for number in STOPPING}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._restore()
        self._to_tell.put(None)
        if self._teller.is_alive():
            self._teller.join()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._asked_at = number, time.monotonic()
            self._to_tell.put(number)
        elif time.monotonic() - self._asked_at > self._same_request_seconds:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _tell(self) -> None:
        while (number := self._to_tell.get()) is not None:
            again = "press Ctrl-C" if number == signal.SIGINT else "send it"
            logger.warning(
                "%s: saving after the step in hand; %s again to end without", signal.Signals(number).name, again
            )
