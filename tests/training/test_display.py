"""What a person sees of a run: on a terminal, without one, and on a worker that is not the chief."""

import io
import logging
import re
import sys

import pytest
from rich.console import Console

from kres.training import display as module
from kres.training.display import INPUT_BOUND, QUIET_SECONDS, SHORT_SECONDS, Display, bound
from kres.training.logs import LogRow


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def terminal(monkeypatch):
    """Standard error as a terminal of 120 columns; what was drawn there."""
    drawn = io.StringIO()
    monkeypatch.setattr(
        module, "Console", lambda stderr: Console(file=drawn, force_terminal=True, force_interactive=True, width=120)
    )
    return drawn


def _row(step, **measured):
    return LogRow(
        step=step, epoch=step / 10, learning_rate=0.1, loss=1.5, accuracy=0.25, images_per_second=100.0, **measured
    )


def _plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_without_a_terminal_a_run_says_little(caplog, capsys):
    with caplog.at_level(logging.INFO), Display(100, done=0) as display:
        for step in range(1, 101):
            display.show(_row(step))
    assert len(caplog.records) == 1
    assert "step 100 of 100: loss 1.5000  accuracy 25.00%" in caplog.text
    assert capsys.readouterr().out.strip() == "" and not re.search(r"\w", capsys.readouterr().err)


def test_without_a_terminal_there_is_a_line_every_half_a_minute(caplog, clock):
    with caplog.at_level(logging.INFO), Display(100, done=0, evaluate_every=100) as display:
        for step in (10, 20, 30, 40):
            clock.now += 0.6 * QUIET_SECONDS
            display.show(_row(step, input_wait=0.03))
    lines = [record.getMessage() for record in caplog.records]
    seconds = 0.6 * QUIET_SECONDS / 10
    assert lines == [
        f"step {step} of 100: loss 1.5000  accuracy 25.00%  100 images/s now  compute-bound  {left} left"
        for step, left in ((20, "0:02:24"), (40, "0:01:48"))
    ]
    assert 80 * seconds == 144 and 60 * seconds == 108


def test_a_terminal_shows_loss_speed_and_time_left(terminal, clock):
    with Display(100, done=0, evaluate_every=50) as display:
        display.show(_row(10))
        clock.now += 20
        display.show(_row(20, input_wait=0.5, test_accuracy=0.4))
        display._bar.refresh()
    shown = _plain(terminal.getvalue())
    for words in ("loss 1.5000", "accuracy 25.00%", "100 images/s", "input-bound", "test 40.00%", "20/100", "0:02:40"):
        assert words in shown


def test_an_evaluation_is_shown_when_it_takes_long_and_gone_at_its_end(terminal, clock):
    with Display(100, done=0) as display:
        display.show(_row(10))
        display.evaluating(0, 5000)
        clock.now += 0.9 * SHORT_SECONDS
        display.evaluating(1000, 5000)
        display._bar.refresh()
        assert "evaluating" not in terminal.getvalue()
        clock.now += SHORT_SECONDS
        display.evaluating(2000, 5000)
        display._bar.refresh()
        assert "2000/5000" in _plain(terminal.getvalue())
        display.evaluating(5000, 5000)
        terminal.truncate(0)
        display._bar.refresh()
        assert "evaluating" not in terminal.getvalue() and "loss" in terminal.getvalue()


def test_a_long_evaluation_is_logged_without_a_terminal(caplog, clock):
    with caplog.at_level(logging.INFO), Display(100, done=0) as display:
        for done in range(0, 6000, 1000):
            display.evaluating(done, 5000)
            clock.now += 0.6 * QUIET_SECONDS
    assert [record.getMessage() for record in caplog.records] == [
        "evaluating: 2000 of 5000 images",
        "evaluating: 4000 of 5000 images",
    ]


def test_another_worker_than_the_chief_is_silent(caplog, capsys, terminal, clock):
    with caplog.at_level(logging.DEBUG), Display(4, done=0, chief=False) as display:
        for step in (1, 2, 3, 4):
            clock.now += 2 * QUIET_SECONDS
            display.evaluating(0, 10)
            clock.now += 2 * QUIET_SECONDS
            display.evaluating(5, 10)
            display.evaluating(10, 10)
            display.show(_row(step, input_wait=0.9))
    assert not caplog.records and capsys.readouterr() == ("", "")
    assert not re.search(r"\w", _plain(terminal.getvalue()))


@pytest.mark.parametrize(
    ("waits", "told"),
    [
        ((0.9, 0.6, 0.63, 0.9, 0.9), 1),
        ((0.9, 0.6, 0.0, 0.6, 0.0), 0),  # a pause now and then is none
        ((0.9, 0.9), 0),  # the first readout has the start of the input in it
        ((None, None, None), 0),
        ((0.0, INPUT_BOUND, INPUT_BOUND, INPUT_BOUND), 0),
    ],
)
def test_advice_about_a_slow_input_comes_once_and_only_when_it_lasts(caplog, waits, told):
    with caplog.at_level(logging.INFO), Display(100, done=0) as display:
        for step, wait in enumerate(waits, 1):
            display.show(_row(step, input_wait=wait))
    advice = [record.getMessage() for record in caplog.records if "kres data bench" in record.getMessage()]
    assert advice == ["training waits 63% of its time for the input: `kres data bench` tells why"] * told


def test_the_advice_and_the_lines_after_it_agree(caplog, clock):
    waits = (0.9, 0.5, 0.24, 0.18, 0.24, 0.18, 0.18)
    with caplog.at_level(logging.INFO), Display(100, done=0) as display:
        for step, wait in enumerate(waits, 1):
            clock.now += 2 * QUIET_SECONDS
            display.show(_row(step, input_wait=wait))
    said = [re.search(r"waits 24%|input-bound|compute-bound|$", record.getMessage())[0] for record in caplog.records]
    # It is another one only when two readouts in a row say so; the first has the start of the input in it.
    assert said == ["", *["input-bound"] * 2, "waits 24%", *["input-bound"] * 3, "compute-bound"]


def test_what_a_run_is_bound_by():
    assert [bound(_row(1, input_wait=wait)) for wait in (None, 0.0, INPUT_BOUND, 0.21, 1.0)] == [
        None, "compute-bound", "compute-bound", "input-bound", "input-bound"
    ]  # fmt: skip


def test_a_bar_on_a_dumb_terminal_would_be_garbage(caplog, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with caplog.at_level(logging.INFO), Display(1, done=0) as display:
        display.show(_row(1))
    assert "step 1 of 1" in caplog.text
