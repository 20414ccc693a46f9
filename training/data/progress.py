"""What a long pass over the data says while it goes: nothing for two seconds, then a bar, or lines in the log."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger(__name__)

SILENT_SECONDS = 2.0
LOG_EVERY_SECONDS = 30.0


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of items that are newly done.

    After two seconds a terminal gets a bar that vanishes at the end, and anything else a log line, then one every
    half a minute.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(title, total=total)
    speaks = time.monotonic() + SILENT_SECONDS

    def advance(count: int) -> None:
        nonlocal speaks
        bar.advance(task, count)
        if time.monotonic() < speaks:
            return
        if console.is_terminal:
            bar.start()  # does nothing once it has started
        else:
            speaks = time.monotonic() + LOG_EVERY_SECONDS
            logger.info("%s: %d of %d", title, bar.tasks[0].completed, total)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
