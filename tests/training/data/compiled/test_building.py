import os
import shutil
import stat
import subprocess
import sys

import pytest

from kres.training.data.compiled import NotBuiltError, build, building
from kres.training.data.squares import SOURCE
from tests.support import lean, skip_or_fail

USE = """
import numpy as np, tensorflow as tf
from kres.training.data.compiled import build
from kres.training.data.squares import SOURCE
encoded = tf.io.encode_jpeg(np.zeros((3, 4, 3), np.uint8))
assert build(SOURCE).kres_jpeg_sides(contents=[encoded]).numpy().tolist() == [[3, 4]]
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        skip_or_fail("no C++ compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kres" / "compiled"


def _make():
    """The library, made but not loaded: a process loads it once, and a second one would register nothing."""
    return building._compiled(SOURCE, building._compiler(), next(building._libjpegs()))


def _compiler(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_library_is_made_once(cache):
    made = _make()
    written = made.stat().st_mtime_ns
    assert _make() == made and list(cache.iterdir()) == [made]
    assert made.stat().st_mtime_ns == written


def test_a_damaged_library_is_made_anew(cache):
    library = _make()
    library.write_bytes(b"no library")
    subprocess.run([sys.executable, "-c", USE], check=True, env=lean(), capture_output=True)
    assert library.stat().st_size > 10_000


def test_processes_that_make_it_at_once_do_not_meet(cache):
    processes = [subprocess.Popen([sys.executable, "-c", USE], env=lean()) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list(cache.iterdir())) == 1


def test_another_compiler_makes_another(cache, tmp_path, monkeypatch):
    _make()
    real = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))))
    monkeypatch.setenv("CXX", _compiler(tmp_path / "wrapped", f'exec {real} "$@"'))
    _make()
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo 'x.cc:1: error: no such header' >&2; exit 1", "no such header"), ("exit 3", "failed: without a word")],
)
def test_a_compiler_that_fails_is_quoted(cache, tmp_path, monkeypatch, script, message):
    monkeypatch.setenv("CXX", _compiler(tmp_path / "failing", script))
    with pytest.raises(NotBuiltError, match=message):
        build(SOURCE)
    assert not cache.exists()


def test_a_compiler_that_makes_nothing_of_use_is_no_compiler(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", _compiler(tmp_path / "idle", "exit 0"))
    with pytest.raises(NotBuiltError, match="cannot be loaded"):
        build(SOURCE)


def test_without_a_compiler_there_is_none(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(NotBuiltError, match=r"no compiler c\+\+, g\+\+, clang\+\+ on the PATH"):
        build(SOURCE)


def test_a_cache_that_cannot_be_written_is_told(cache, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(NotBuiltError, match="cache"):
        build(SOURCE)
