"""How long a run's parts take: the waiting for its input, its steps and evaluations, and what is left."""

import math
import time
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

NEWEST = 0.3
"""Weight of the newest pace in the smoothed one."""


class Waited(Generic[T]):
    """Batches, one after the other, and how long the loop over them has waited for the input pipeline."""

    def __init__(self, batches: Iterable[T]) -> None:
        self._batches = batches
        self._seconds = 0.0

    def __iter__(self) -> Iterator[T]:
        batches = iter(self._batches)
        while True:
            began = time.monotonic()
            try:
                batch = next(batches)
            except StopIteration:
                return
            finally:
                self._seconds += time.monotonic() - began
            yield batch

    def read(self) -> float:
        """Seconds of waiting since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds


class Pace:
    """How long steps and evaluations take here, and so how long the rest of a run will.

    The time before the first readout does not count: it holds the building of the graph.
    """

    def __init__(self, total: int, *, evaluate_every: float | None) -> None:
        self._total = total
        self._every = evaluate_every
        self._step: int | None = None
        self._clock = 0.0
        self._evaluating = 0.0
        self._step_seconds: float | None = None
        self._evaluation_seconds = 0.0

    def evaluated(self, seconds: float) -> None:
        """Note an evaluation since the last readout."""
        self._evaluating += seconds
        self._evaluation_seconds = seconds

    def read_out(self, step: int, now: float) -> None:
        """Note a readout after `step`, at `now` seconds."""
        if self._step is not None and step > self._step:
            newest = max(now - self._clock - self._evaluating, 0.0) / (step - self._step)
            last = newest if self._step_seconds is None else self._step_seconds
            self._step_seconds = last + NEWEST * (newest - last)
        self._step, self._clock, self._evaluating = step, now, 0.0

    def seconds_left(self) -> float | None:
        """Time to the end of the run, its evaluations included; None where no pace is known yet."""
        if self._step is None or self._step_seconds is None:
            return None
        evaluations = 0
        if self._every is not None and self._step < self._total:  # at its multiples, and after the last step
            evaluations = math.ceil(self._total / self._every) - math.floor(self._step / self._every)
        return (self._total - self._step) * self._step_seconds + evaluations * self._evaluation_seconds
