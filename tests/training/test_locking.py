import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kres.training import fit, locking
from kres.training.locking import LOCK, locked
from kres.training.workdir import WorkdirError
from tests.training.tiny import tiny_recipe, tiny_source


def test_a_workdir_is_held_once_and_given_back(tmp_path):
    for _ in range(2):  # a file that is there holds nobody up
        with locked(tmp_path):
            with (
                pytest.raises(
                    WorkdirError, match=rf"\(pid {os.getpid()} on {socket.gethostname()}\) trains in {tmp_path}"
                ),
                locked(tmp_path),
            ):
                pass
            with pytest.raises(WorkdirError), locked(tmp_path):  # the one that was refused gave nothing back
                pass
    assert not (tmp_path / LOCK).read_text()


def test_a_run_is_refused_where_another_trains_and_leaves_that_as_it_was(tmp_path):
    with locked(tmp_path), pytest.raises(WorkdirError, match=f"another process .pid .* trains in {tmp_path}"):
        fit(tiny_recipe(), data=tiny_source(), workdir=tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


HOLDS = """
import sys, time
from pathlib import Path
sys.path.append(sys.argv[2])
from kres.training.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(300)
"""


def test_a_killed_process_holds_nothing(tmp_path):
    words = [sys.executable, "-c", HOLDS, str(tmp_path), str(Path(__file__).parents[2])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(WorkdirError, match=f"pid {other.pid} on"), locked(tmp_path):
                pass
        finally:
            other.kill()
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_nothing_can_be_locked_a_warning_is_all(number, tmp_path, monkeypatch, caplog):
    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locking, "_flock", refuse)
    with locked(tmp_path):
        pass
    assert f"{tmp_path} cannot be locked ({os.strerror(number)})" in caplog.text


def test_other_errors_are_not_taken_for_that(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(locking, "_flock", fail)
    with pytest.raises(OSError, match="broken disk"), locked(tmp_path):
        pass
