"""When several workers ask one another whether somebody was told to stop."""

import time
from collections.abc import Callable

import tensorflow as tf

from kres.training.distribution.peers import largest_of_workers
from kres.training.distribution.strategies import place

MOST_STEPS = 10
SECONDS = 1.0
"""Workers ask after so many steps or so much time, whatever is less, but not within a step: grace times are short."""


class Agreement:
    """The signal that some worker received, known to all of them after the same step (of training or of evaluation).

    All must decide alike on when to ask, so each time they also agree on the slowest one's time for a step, and from
    that on the step of the next time. The first is asked after the first step.
    """

    def __init__(self, strategy: tf.distribute.Strategy, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.strategy = strategy
        self._alone = place(strategy).workers == 1
        self._clock = clock
        self._asked_at, self._wait = clock(), 1
        self._steps = 0

    def ask(self, received: int, *, last: bool = False) -> int:
        """The largest of the workers' `received` (0: none), asked now if it is time or the `last` step; else 0.

        Every worker must call it, after each step. A single worker gets its own.
        """
        if self._alone:
            return received
        self._steps += 1
        if self._steps < self._wait and not last:
            return 0
        milliseconds = round(1000 * (self._clock() - self._asked_at) / self._steps)
        received, slowest = largest_of_workers((received, milliseconds), self.strategy)
        self._asked_at, self._steps, self._wait = self._clock(), 0, steps_until_next(slowest / 1000)
        return received


def steps_until_next(seconds_a_step: float) -> int:
    """How many steps fill SECONDS, within 1..MOST_STEPS."""
    return max(1, min(MOST_STEPS, int(SECONDS / max(seconds_a_step, SECONDS / MOST_STEPS))))
