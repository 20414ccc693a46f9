"""How the `kres` command starts: as a module, in a program that uses kres, and where nothing can be held back."""

import gc
import importlib.util
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import kres
import kres_command


@pytest.fixture
def in_this_process(monkeypatch):
    """What the command changes in its process is put back."""
    for name in ("TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "1")
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)
    gc.unfreeze()


@pytest.mark.parametrize("module", ["kres", "kres_command"])
def test_the_command_as_a_module_where_kres_is_imported_already(module, in_this_process, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["kres", "list", "resnet18", "--json"])
    before = dict(vars(kres))
    monkeypatch.setitem(sys.modules, "kres_command", kres_command)
    monkeypatch.delitem(sys.modules, module if module == "kres_command" else "kres.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    assert ended.value.code == 0 and '"resnet18"' in capfd.readouterr().out
    # Its own code has not run again: other objects would stand under the same names.
    assert sys.modules["kres"] is kres and all(vars(kres)[name] is value for name, value in before.items())


def test_a_command_without_its_package_says_so(in_this_process, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="needs the package kres: install it"):
        kres_command.main()


def test_lines_of_the_start_are_held_back_unless_it_fails(capfd):
    with kres_command._held_back_unless_it_fails():
        subprocess.run(["sh", "-c", "echo noise >&2"], check=True)
    assert capfd.readouterr().err == ""
    with pytest.raises(subprocess.CalledProcessError), kres_command._held_back_unless_it_fails():
        subprocess.run(["sh", "-c", "echo the reason >&2; exit 1"], check=True)
    assert capfd.readouterr().err == "the reason\n"


def test_lines_of_the_start_are_held_back_when_it_is_interrupted(capfd):
    def stop():
        subprocess.run(["sh", "-c", "echo noise >&2"], check=True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), kres_command._held_back_unless_it_fails():
        stop()
    assert capfd.readouterr().err == ""


def test_without_a_place_for_them_they_are_shown(monkeypatch, capfd):
    def full(*arguments, **options):
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with kres_command._held_back_unless_it_fails():
        subprocess.run(["sh", "-c", "echo shown >&2"], check=True)
    assert capfd.readouterr().err == "shown\n"
    with pytest.raises(OSError, match="broken"), kres_command._held_back_unless_it_fails():
        raise OSError("broken")


def test_standard_error_may_be_closed():
    code = "import kres_command\nwith kres_command._held_back_unless_it_fails(): print('ran')"
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code],
        stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.stdout == "ran\n"
