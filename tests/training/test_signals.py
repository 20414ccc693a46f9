import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kres.training import signals
from kres.training.signals import Interrupted, StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_handlers_come_back(number, caplog):
    before = signal.getsignal(number)
    with caplog.at_level(logging.WARNING), StopRequest() as stop:
        assert stop.received is None
        os.kill(os.getpid(), number)
        assert stop.received == number
    assert signal.getsignal(number) == before
    assert Interrupted("", signal_number=number).exit_code == 128 + number
    [told] = caplog.messages
    assert told.startswith(f"{signal.Signals(number).name}: saving") and "again to end without" in told


def test_signals_close_together_are_one_request(caplog):
    with StopRequest() as stop:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert stop.received == signal.SIGINT
    assert len(caplog.messages) == 1


def test_a_later_ctrl_c_stops_at_once():
    with StopRequest(same_request_seconds=0.0):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


# The module by itself, which needs nothing of kres, starts much faster.
TRAINS = """
import sys, time
sys.path.append(sys.argv[1])
from signals import StopRequest
with StopRequest() as stop:
    print("ready", flush=True)
    while stop.received is None:
        time.sleep(0.01)
    time.sleep(float(sys.argv[2]))
    print("saved", flush=True)
"""


@pytest.mark.parametrize(("pause", "saves"), [(0.005, True), (signals.SAME_REQUEST_SECONDS + 0.2, False)])
def test_two_signals_to_a_process(pause, saves):
    """The second of two that are close together changes nothing; a later one ends the process there and then."""
    words = [sys.executable, "-c", TRAINS, str(Path(signals.__file__).parent), "0.2" if saves else "60"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(pause)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == ("saved\n" if saves else "")
    assert process.returncode == (0 if saves else -signal.SIGINT)
    assert "SIGINT: saving" in err


def test_without_a_signal_nothing_changes():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_other_threads_may_train():
    seen = []

    def work():
        with StopRequest() as stop:
            seen.append(stop.received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]
