"""What a command says of Ctrl-C."""

import contextlib
import signal
import sqlite3

import pytest
import typer
from typer.testing import CliRunner

from kres.cli import interrupts
from kres.cli.app import app


@pytest.fixture(autouse=True)
def as_in_a_process_of_its_own():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler, "it is put back"


def stop_as(error):
    """What TensorFlow's C++ does where an interrupt strikes within it."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise error from None


def test_an_interrupt_is_told_whatever_error_it_became(capsys):
    for error in (KeyboardInterrupt(), AttributeError("'list' object has no attribute '_type_spec'")):
        with pytest.raises(KeyboardInterrupt), interrupts.told():
            stop_as(error)
        assert capsys.readouterr().err == "interrupted\n"


def test_what_fails_after_an_interrupt_was_survived_says_so_itself(capsys):
    def survive_and_fail():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise OSError("full")

    with pytest.raises((OSError, KeyboardInterrupt)) as told, interrupts.told():
        survive_and_fail()
    assert str(told.value) == "full"
    assert capsys.readouterr().err == ""


def test_an_interrupt_that_c_code_turned_into_an_error_is_told(capsys):
    """SQLite's does so with a function of Python's that it calls, and leaves no trace of what that raised."""
    database = sqlite3.connect(":memory:")
    database.create_function("stop", 0, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as told, interrupts.told():
        database.execute("select stop()")
    database.close()
    assert isinstance(told.value.__cause__, sqlite3.OperationalError) and told.value.__cause__.__context__ is None
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupt_while_options_are_read_is_told(monkeypatch):
    monkeypatch.setattr("kres.export.files.presence.check_there", lambda path: signal.raise_signal(signal.SIGINT))
    result = CliRunner().invoke(app, ["bench", "m.tflite"])
    assert result.exit_code == 130 and result.stderr == "interrupted\n"


def test_an_error_without_an_interrupt_and_an_exit_code_stay(capsys):
    with pytest.raises(AttributeError), interrupts.told():
        raise AttributeError("x")
    with pytest.raises(typer.Exit), interrupts.told():
        stop_as(typer.Exit(3))
    assert capsys.readouterr().err == ""


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.told():
        signal.raise_signal(signal.SIGINT)
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is signal.SIG_IGN
