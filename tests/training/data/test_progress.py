import logging

import pytest

from kres.training.data import progress as module
from kres.training.data.progress import progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def _run(clock, seconds):
    with progress("counting", 100) as advance:
        for second in range(seconds):
            clock[0] = float(second)
            advance(1)


def test_a_short_pass_says_nothing(clock, caplog, capfd):
    with caplog.at_level(logging.INFO):
        _run(clock, 2)
    assert not caplog.messages
    assert capfd.readouterr() == ("", "")


def test_a_long_pass_writes_a_line_now_and_then(clock, caplog, capfd):
    with caplog.at_level(logging.INFO):
        _run(clock, 70)
    assert caplog.messages == ["counting: 3 of 100", "counting: 33 of 100", "counting: 63 of 100"]
    assert capfd.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_instead(clock, caplog, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with caplog.at_level(logging.INFO):
        _run(clock, 2)
        assert "counting" not in capfd.readouterr().err
        _run(clock, 10)
    assert "counting" in capfd.readouterr().err
    assert not caplog.messages
