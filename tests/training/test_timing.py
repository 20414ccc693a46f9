"""Waiting for the input, and the time that is left, by clocks that the tests move."""

import pytest

from kres.training import timing
from kres.training.timing import Pace, Waited


def test_waiting_is_the_time_in_the_pipeline_and_not_in_the_step(monkeypatch):
    now = 0.0
    monkeypatch.setattr(timing.time, "monotonic", lambda: now)

    def pipeline():
        nonlocal now
        for batch in range(3):
            now += 2.0
            yield batch

    waited = Waited(pipeline())
    seen = []
    for batch in waited:
        seen.append((batch, waited.read()))
        now += 10.0
    assert seen == [(0, 2.0), (1, 2.0), (2, 2.0)] and waited.read() == 0.0


def test_batches_begin_anew_as_those_of_a_dataset_do():
    waited = Waited([1, 2])
    assert list(waited) == list(waited) == [1, 2]


def test_an_error_of_the_pipeline_reaches_the_loop():
    def pipeline():
        yield 1
        raise OSError("a damaged file")

    with pytest.raises(OSError, match="a damaged file"):
        list(Waited(pipeline()))


def test_the_time_left_counts_steps_and_evaluations():
    """0.5 s a step and 30 s an evaluation, which come after steps 40, 80, 120, ... and the last, 250."""
    pace = Pace(250, evaluate_every=40)
    pace.read_out(20, 100.0)  # 100 s so far, most of them the building of the graph
    assert pace.seconds_left() is None
    pace.evaluated(30.0)
    pace.read_out(40, 140.0)
    assert pace.seconds_left() == pytest.approx(210 * 0.5 + 6 * 30)
    pace.read_out(60, 150.0)
    assert pace.seconds_left() == pytest.approx(190 * 0.5 + 6 * 30)
    pace.evaluated(30.0)
    pace.read_out(240, 270.0)
    assert pace.seconds_left() == pytest.approx(10 * 0.5 + 30)
    pace.evaluated(30.0)
    pace.read_out(250, 305.0)
    assert pace.seconds_left() == 0


def test_the_last_evaluation_is_not_counted_twice():
    pace = Pace(200, evaluate_every=100)
    pace.read_out(50, 0.0)
    pace.evaluated(10.0)
    pace.read_out(100, 60.0)
    assert pace.seconds_left() == pytest.approx(100 * 1.0 + 10)


def test_the_pace_follows_the_newest_steps():
    pace = Pace(10_000, evaluate_every=None)
    for number in range(20):  # 1 s a step, then 3 s: larger images
        pace.read_out(number * 10, number * 10.0)
    for number in range(20):
        pace.read_out(200 + number * 10, 220 + number * 30.0)
    assert pace.seconds_left() == pytest.approx((10_000 - 390) * 3.0, rel=1e-2)
