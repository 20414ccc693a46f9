import pytest
import tensorflow as tf

from kres.training.distribution import Agreement, Place, agreement
from kres.training.distribution.agreement import MOST_STEPS, steps_until_next


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0, MOST_STEPS), (0.01, 10), (0.1, 10), (0.25, 4), (0.4, 2), (0.6, 1), (1, 1), (11, 1)]
)
def test_slow_steps_are_not_counted_before_workers_ask(seconds, steps):
    assert steps_until_next(seconds) == steps


class Clock:
    """The time, in seconds, that the test sets."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_all_workers_ask_after_the_same_steps_whatever_their_clocks_say(monkeypatch):
    """Two workers, step by step side by side, of which the second is the slower."""
    asked = {0: [], 1: []}
    slowest = 0.0

    def largest(numbers, strategy):
        return [numbers[0], round(1000 * slowest)]

    monkeypatch.setattr(agreement, "place", lambda _: Place(worker=0, workers=2, replicas=2, local_replicas=1))
    monkeypatch.setattr(agreement, "largest_of_workers", largest)
    clocks = Clock(), Clock()
    workers = [Agreement(tf.distribute.get_strategy(), clock=clock) for clock in clocks]
    for step in range(1, 41):
        slowest = 0.25 if step < 20 else 3.0
        for number, (worker, clock) in enumerate(zip(workers, clocks, strict=True)):
            clock.seconds += slowest * (number + 1) / 2
            if worker.ask(15, last=step == 40):
                asked[number].append(step)
    assert asked[0] == asked[1] == [1, 5, 9, 13, 17, *range(21, 41)]


def test_a_single_worker_hears_itself_at_once():
    alone = Agreement(tf.distribute.get_strategy())
    assert [alone.ask(number) for number in (0, 2, 0)] == [0, 2, 0]
