import os

import numpy as np
import pytest

from kres.training.data.cache import cached
from tests.training.data.images import age


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = [tmp_path / "a", tmp_path / "b"]
    for file in found:
        file.write_bytes(b"content")
        age(file)
    return found


class Count:
    """Counts its calls, and answers with their number."""

    calls = 0

    def __call__(self):
        self.calls += 1
        return {"number": np.array(self.calls), "words": np.array([b"x", b"yy"])}


def _ask(files, make, question=""):
    return int(cached("kind", [str(file) for file in files], make, question=question)["number"])


def _entries(tmp_path):
    return list((tmp_path / "cache" / "kres" / "data").glob("*"))


def test_an_answer_is_kept_whole(files, tmp_path):
    make = Count()
    assert [_ask(files, make), _ask(files, make)] == [1, 1]
    np.testing.assert_array_equal(cached("kind", list(map(str, files)), make)["words"], [b"x", b"yy"])
    assert len(_entries(tmp_path)) == 1
    assert _ask(files, make, "another question") == 2
    assert _ask(files[:1], make) == 3
    assert _ask(files, make) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(b"contents"),
        lambda file: os.utime(file, ns=(0, file.stat().st_mtime_ns - 1)),
        lambda file: file.unlink(),
    ],
)
def test_a_changed_file_is_never_trusted(files, change):
    make = Count()
    _ask(files, make)
    change(files[1])
    assert _ask(files, make) == 2


def test_an_entry_replaces_the_one_before(files, tmp_path):
    make = Count()
    for _ in range(3):
        _ask(files, make)
        age(files[0])
    assert make.calls == 3 and len(_entries(tmp_path)) == 1


def test_a_file_that_changes_during_the_pass_leaves_nothing(files, tmp_path):
    def make():
        files[0].write_bytes(b"other")
        age(files[0])
        return {"number": np.array(1)}

    _ask(files, make)
    assert not _entries(tmp_path)


@pytest.mark.parametrize("damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"no archive"])
def test_a_damaged_entry_is_made_anew(files, tmp_path, damage, caplog):
    make = Count()
    _ask(files, make)
    (entry,) = _entries(tmp_path)
    entry.write_bytes(damage(entry.read_bytes()))
    assert [_ask(files, make), _ask(files, make)] == [2, 2]
    assert "is damaged and will be made anew" in caplog.text


def test_a_cache_that_cannot_be_written_costs_a_warning(files, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    make = Count()
    assert [_ask(files, make), _ask(files, make)] == [1, 2]
    assert "could not be written" in caplog.text
