"""Progress on standard error: a bar on a terminal, else a log line every half a minute."""

import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from kres.training.logs import LogRow
from kres.training.timing import Pace

logger = logging.getLogger(__name__)

QUIET_SECONDS = 30.0
SHORT_SECONDS = 2.0
"""What takes no longer needs no progress of its own."""
INPUT_BOUND = 0.2
"""Share of the time waiting from which a run is called input-bound: without it, it would be 1.25 times as fast."""

INPUT, COMPUTE = "input-bound", "compute-bound"


def bound(row: LogRow) -> str | None:
    """What a run's speed hangs on, in words; None where the waiting was not measured."""
    if row.input_wait is None:
        return None
    return INPUT if row.input_wait > INPUT_BOUND else COMPUTE


class _Bar(Progress):
    """A line for the steps (and one for an evaluation), and below it a line of numbers."""

    numbers = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.numbers, overflow="ellipsis", no_wrap=True)


class Display:
    """A run's progress to `total` steps; a worker that is not the `chief` shows nothing.

    `evaluate_every` is in steps: what the time left counts evaluations by.
    """

    def __init__(self, total: int, *, done: int, evaluate_every: float | None = None, chief: bool = True) -> None:
        console = Console(stderr=True)
        self._live = chief and console.is_interactive
        self._logs = chief and not console.is_interactive
        self._total = total
        self._spoke = time.monotonic()
        self._pace = Pace(total, evaluate_every=evaluate_every)
        self._evaluation_began: float | None = None
        self._readouts = 0
        self._newest: str | None = None
        self._bound: str | None = None
        self._advised = not chief
        self._bar = _Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not self._live,
        )
        self._steps = self._bar.add_task("training", total=total, completed=done, left="")
        self._bar.numbers = "first step: the graph is being built"
        self._images = self._bar.add_task("evaluating", total=None, visible=False, left="")

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def show(self, row: LogRow) -> None:
        """Show the newest readout."""
        self._pace.read_out(row.step, time.monotonic())
        left = _duration(self._pace.seconds_left())
        lasting = self._judge(row)
        text = _describe(row, bound_by=self._bound)
        self._bar.numbers = text
        self._bar.update(self._steps, completed=row.step, left=left)
        if self._due() or (self._logs and row.step == self._total):
            self._say(f"step {row.step} of {self._total}: {text}" + (f"  {left} left" if left else ""))
        if lasting and self._bound == INPUT and not self._advised:
            self._advised = True
            share = f"{row.input_wait:.0%}"
            logger.info("training waits %s of its time for the input: `kres data bench` tells why", share)

    def evaluating(self, done: int, total: int) -> None:
        """Show how many of the test images are evaluated; call it with 0 first and with `total` last."""
        now = time.monotonic()
        if self._evaluation_began is None:
            self._evaluation_began = now
        seconds = now - self._evaluation_began
        ended = done >= total
        visible = seconds > SHORT_SECONDS and not ended
        self._bar.update(self._images, completed=done, total=total, visible=visible)
        if visible and self._due():
            self._say(f"evaluating: {done} of {total} images")
        if ended:
            self._pace.evaluated(seconds)
            self._evaluation_began = None

    def _due(self) -> bool:
        return self._logs and time.monotonic() - self._spoke > QUIET_SECONDS

    def _say(self, text: str) -> None:
        self._spoke = time.monotonic()
        logger.info("%s", text)

    def _judge(self, row: LogRow) -> bool:
        """Note what the run is bound by, and return whether two readouts in a row agree in it: it changes only then.

        A process's first, when the input starts, is left out.
        """
        self._readouts += 1
        if self._readouts == 1:
            return False
        before, self._newest = self._newest, bound(row)
        lasting = before == self._newest
        if lasting or self._bound is None:
            self._bound = self._newest
        return lasting


def _describe(row: LogRow, *, bound_by: str | None) -> str:
    text = f"loss {row.loss:.4f}  accuracy {row.accuracy:.2%}  {row.images_per_second:.0f} images/s now"
    if bound_by:
        text += f"  {bound_by}"
    if row.test_accuracy is not None:
        text += f"  test {row.test_accuracy:.2%}"
    return text


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))
