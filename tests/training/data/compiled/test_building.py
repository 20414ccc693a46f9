import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from kres.training.data.compiled import NotBuiltError, build, building
from kres.training.data.squares import SOURCE
from tests.support import closed_directory, lean, skip_or_fail

USE = """
import numpy as np, tensorflow as tf
from kres.training.data.compiled import build
from kres.training.data.squares import SOURCE
encoded = tf.io.encode_jpeg(np.zeros((3, 4, 3), np.uint8))
def prove(operations):
    assert operations.kres_jpeg_sides(contents=[encoded]).numpy().tolist() == [[3, 4]]
build(SOURCE, prove)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        skip_or_fail("no C++ compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kres" / "compiled"


def _make(monkeypatch):
    """The library, made but not loaded: a process loads it once, and a second one would register nothing."""
    monkeypatch.setattr(building, "_loaded", lambda library, prove: library)
    return build(SOURCE, _nothing)


def _nothing(operations):
    pass


def _compiler(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_library_is_made_once(cache, monkeypatch):
    made = _make(monkeypatch)
    written = made.stat().st_mtime_ns
    assert _make(monkeypatch) == made and list(cache.glob("*.so")) == [made]
    assert made.stat().st_mtime_ns == written


@pytest.mark.parametrize("left", [0, 5000, -100])
def test_a_library_that_is_cut_off_is_made_anew(cache, monkeypatch, left):
    """To load it would end the process."""
    library = _make(monkeypatch)
    whole = library.read_bytes()
    library.write_bytes(whole[:left])
    assert _make(monkeypatch) == library
    assert library.stat().st_size == len(whole)


def test_a_library_works_in_another_process(cache, monkeypatch):
    _make(monkeypatch)
    done = subprocess.run([sys.executable, "-c", USE], check=False, env=lean(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_processes_that_make_it_at_once_do_not_meet(cache):
    processes = [subprocess.Popen([sys.executable, "-c", USE], env=lean()) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list(cache.glob("*.so"))) == 1


def test_another_compiler_makes_another(cache, tmp_path, monkeypatch):
    _make(monkeypatch)
    real = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))))
    monkeypatch.setenv("CXX", _compiler(tmp_path / "wrapped", f'exec {real} "$@"'))
    _make(monkeypatch)
    assert len(list(cache.glob("*.so"))) == 2


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo 'x.cc:1: error: no such header' >&2; exit 1", "no such header"), ("exit 3", "failed: it said nothing")],
)
def test_a_compiler_that_fails_is_quoted(cache, tmp_path, monkeypatch, script, message):
    monkeypatch.setenv("CXX", _compiler(tmp_path / "failing", script))
    with pytest.raises(NotBuiltError, match=message):
        build(SOURCE, _nothing)
    assert not cache.exists()


def test_a_compiler_that_makes_nothing_of_use_is_no_compiler(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", _compiler(tmp_path / "idle", "exit 0"))
    with pytest.raises(NotBuiltError, match="cannot be used"):
        build(SOURCE, _nothing)


def test_without_a_compiler_there_is_none(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(NotBuiltError, match=r"no compiler c\+\+, g\+\+, clang\+\+ on the PATH"):
        build(SOURCE, _nothing)


def test_a_cache_that_cannot_be_written_is_told(cache, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(NotBuiltError, match="cache"):
        build(SOURCE, _nothing)


def test_a_cache_that_is_closed_is_told(tmp_path, monkeypatch):
    with closed_directory(tmp_path) as closed:
        monkeypatch.setenv("XDG_CACHE_HOME", str(closed / "cache"))
        with pytest.raises(NotBuiltError, match="cache"):
            build(SOURCE, _nothing)


def test_a_user_without_a_home_is_told(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", _no_home)
    with pytest.raises(NotBuiltError, match="home"):
        build(SOURCE, _nothing)


def _no_home(path):
    raise RuntimeError("Could not determine home directory.")


def test_a_compiler_may_be_several_words(cache, tmp_path, monkeypatch):
    real = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))))
    launcher = _compiler(tmp_path / "launcher", 'exec "$@"')
    monkeypatch.setenv("CXX", f"{launcher} {real}")
    assert _make(monkeypatch).exists()


def test_operations_that_are_not_proven_are_not_used(cache, monkeypatch):
    def prove(operations):
        raise tf.errors.InvalidArgumentError(None, None, "Wrong JPEG library version")

    monkeypatch.setattr(tf, "load_op_library", lambda path: object())
    with pytest.raises(NotBuiltError, match="Wrong JPEG library version"):
        build(SOURCE, prove)
