import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kres.cli import supervision
from kres.cli.supervision import Command, launch


def python(code, tag="0", **environment):
    return Command(name=f"worker-{tag}", tag=tag, words=[sys.executable, "-c", code], environment=environment)


SLEEPS = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"


def test_lines_carry_their_workers_tag_and_streams_stay_apart(tmp_path, capfd):
    code = "import os, sys; print('out', os.environ['ME']); print('err', file=sys.stderr); sys.stdout.write('end')"
    assert launch([python(code, str(place), ME=f"m{place}") for place in range(2)], log_dir=tmp_path / "logs").code == 0
    out, err = capfd.readouterr()
    # The first worker's standard output is the result of the run, for scripts to read.
    assert sorted(out.splitlines()) == ["[1] end", "[1] out m1", "end", "out m0"]
    assert sorted(err.splitlines()) == ["[0] err", "[1] err"]
    for place in range(2):
        lines = (tmp_path / "logs" / f"worker-{place}.log").read_text().splitlines()
        assert sorted(lines) == ["end", "err", f"out m{place}"]


def test_the_exit_code_is_that_of_the_first_that_failed(caplog):
    start = time.monotonic()
    later = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(9)); time.sleep(60)"
    assert launch([python(later), python("import time; time.sleep(1); raise SystemExit(7)", "1")]).code == 7
    assert time.monotonic() - start < 30
    assert "worker-1 ended with exit code 7; the others are stopped" in caplog.text


def test_a_killed_worker_counts_as_its_signal(caplog):
    assert launch([python("import os; os.kill(os.getpid(), 9)"), python(SLEEPS, "1")]).code == 128 + signal.SIGKILL
    assert "worker-0 ended with SIGKILL" in caplog.text


def test_who_does_not_end_is_killed_after_the_grace(caplog):
    start = time.monotonic()
    ended = launch([python("import time; time.sleep(1); raise SystemExit(3)"), python(STUBBORN, "1")], grace_seconds=1)
    assert ended == (3, False)
    assert time.monotonic() - start < 30
    assert "worker-1 did not end within 1 s and is killed" in caplog.text


def test_services_live_as_long_as_the_workers(capfd):
    service = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('told', flush=True), sys.exit(0)))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)"
    )
    assert launch([python("import time; time.sleep(1)")], services=[python(service, "data 0")]).code == 0
    assert capfd.readouterr().out.splitlines() == ["[data 0] up", "[data 0] told"]


def test_a_service_that_ends_ends_the_run(caplog):
    assert launch([python(SLEEPS)], services=[python("pass", "data-0")]).code == 1
    assert "worker-data-0 ended with exit code 1" in caplog.text


# The module by itself, which needs nothing of kres, starts much faster.
LAUNCHER = """
import json, sys
sys.path.append(sys.argv[2])
from supervision import Command, launch
commands = json.loads(sys.argv[1])
words = [Command(name=f"w{i}", tag=str(i), words=[sys.executable, "-c", code]) for i, code in enumerate(commands)]
sys.exit(launch(words, grace_seconds=float(sys.argv[3])).code)
"""
SAVES = """
import os, signal, sys, time
def save(number, frame):
    print('saving', number, flush=True)
    sys.exit(128 + number)
signal.signal(15, save); signal.signal(2, save)
print('pid', os.getpid(), flush=True)
time.sleep(60)
"""


def launcher(*codes, grace_seconds=20, **options):
    folder = str(Path(supervision.__file__).parent)
    words = [sys.executable, "-c", LAUNCHER, json.dumps(codes), folder, str(grace_seconds)]
    return subprocess.Popen(words, **options)


def pids(process, count):
    lines = [process.stdout.readline() for _ in range(count)]
    return [int(line.split()[-1]) for line in lines]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on_so_that_workers_save(number):
    process = launcher(SAVES, SAVES, stdout=subprocess.PIPE, text=True)
    pids(process, 2)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert sorted(out.splitlines()) == sorted([f"saving {number:d}", f"[1] saving {number:d}"])


def test_quick_ctrl_c_at_a_terminal_are_one_request():
    """As a terminal sends them: to the launcher's whole process group, to which its workers do not belong."""
    slow = SAVES.replace("    sys.exit", "    time.sleep(0.3)\n    sys.exit")
    process = launcher(slow, slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    pids(process, 2)
    for _ in range(3):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert sorted(out.splitlines()) == ["[1] saving 2", "saving 2"]
    assert "SIGINT is passed on; press Ctrl-C again" in err


def test_a_later_signal_kills():
    process = launcher(STUBBORN, STUBBORN, stdout=subprocess.PIPE, text=True)
    for _ in range(2):
        process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    time.sleep(supervision.SAME_REQUEST_SECONDS / 2)
    process.send_signal(signal.SIGTERM)
    time.sleep(supervision.SAME_REQUEST_SECONDS / 2 + 0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGKILL


def test_a_worker_killed_after_the_grace_is_not_told_as_saved():
    process = launcher(SAVES, STUBBORN, grace_seconds=1, stdout=subprocess.PIPE, text=True)
    for _ in range(2):
        process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert "saving 15" in out and process.returncode == 128 + signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tie between the processes is Linux's")
def test_no_worker_outlives_a_launcher_that_is_killed():
    process = launcher(
        STUBBORN.replace("'ready'", "__import__('os').getpid()"), SAVES, stdout=subprocess.PIPE, text=True
    )
    workers = pids(process, 2)
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while alive := [pid for pid in workers if _runs(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_on_a_terminal_the_first_worker_alone_keeps_it():
    terminal, end = pty.openpty()
    code = "import sys; print(sys.stderr.isatty(), file=sys.stderr)"
    process = launcher(code, f"import time; time.sleep(1); {code}", stdout=subprocess.DEVNULL, stderr=end)
    os.close(end)
    assert process.wait(60) == 0
    seen = os.read(terminal, 10000).decode()
    os.close(terminal)
    assert seen == "True\r\n\r\x1b[2K\x1b[33m[1]\x1b[0m False\r\n"
