"""What a command says of Ctrl-C."""

import signal

import pytest
import typer

from kres.cli import interrupts


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
