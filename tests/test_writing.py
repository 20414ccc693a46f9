"""Files and folders that are whole or not there: what remains after a write that fails half way."""

import os
from contextlib import suppress

import pytest

from kres.writing import folder_atomically, folder_made, move, write_atomically


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("old")

    def fail(aside):
        aside.write_text("half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match=r"No space"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]
    write_atomically(path, lambda aside: aside.write_text("new"))
    assert path.read_text() == "new"


def test_failed_move_of_a_directory_gives_the_old_one_back(tmp_path, monkeypatch):
    source, target = tmp_path / "scratch" / "m", tmp_path / "m"
    for directory, content in ((source, "new"), (target, "old")):
        directory.mkdir(parents=True)
        (directory / "file").write_text(content)
    rename = os.rename

    def full_disk(old, new):
        if old == source:
            raise OSError("No space left on device")
        rename(old, new)

    monkeypatch.setattr(os, "rename", full_disk)
    with pytest.raises(OSError, match="No space"):
        move(source, target)
    assert (target / "file").read_text() == "old"
    monkeypatch.undo()
    move(source, target)
    assert (target / "file").read_text() == "new"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupt_at_any_moment_of_a_move_leaves_a_whole_folder(after, tmp_path, monkeypatch):
    rename, calls = os.rename, []

    def interrupted(old, new):
        calls.append(old)
        if len(calls) == n and not after:
            raise KeyboardInterrupt
        rename(old, new)
        if len(calls) == n and after:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupted)
    found = []
    for n in (0, 1, 2, 3):
        calls.clear()
        target = tmp_path / str(n) / "f"
        target.mkdir(parents=True)
        (target / "old").touch()
        with suppress(KeyboardInterrupt), folder_atomically(target) as folder:
            (folder / "new").touch()
        assert os.listdir(target.parent) == ["f"]
        found.append(os.listdir(target))
    # The second rename is the one that gives the new folder its name; a third there is none.
    assert found == [["new"], ["old"], ["new"] if after else ["old"], ["new"]]


@pytest.mark.parametrize("way", [write_atomically, folder_atomically, folder_made])
def test_an_interrupt_as_soon_as_something_is_made_leaves_nothing(way, tmp_path, monkeypatch):
    """At the return of the first call of the system that makes a file or a folder, and of the second."""
    made = []

    def interrupted(call):
        def then(*arguments, **named):
            found = call(*arguments, **named)
            made.append(arguments[0])
            if len(made) == n:
                raise KeyboardInterrupt
            return found

        return then

    def work(path):
        if way is write_atomically:
            write_atomically(path, lambda aside: aside.write_text("new"))
            return
        with way(path):
            pass

    for name in ("mkdir", "open"):
        monkeypatch.setattr(os, name, interrupted(getattr(os, name)))
    place = tmp_path / "deep" / "f" if way is folder_made else tmp_path / "f"
    for n in (1, 2):
        made.clear()
        with suppress(KeyboardInterrupt):
            work(place)
        assert made and (len(made) < n or not os.listdir(tmp_path)), (n, made)


def test_a_folder_has_its_name_only_when_it_is_full(tmp_path):
    def fill_half():
        with folder_atomically(tmp_path / "f") as folder:
            (folder / "half").write_text("half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill_half()
    assert not os.listdir(tmp_path)
    for content in ("old", "new"):
        with folder_atomically(tmp_path / "f") as folder:
            (folder / content).write_text(content)
    assert os.listdir(tmp_path) == ["f"] and os.listdir(tmp_path / "f") == ["new"]


@pytest.mark.parametrize("name", ["old", "new", "m.old"])
def test_a_folder_may_have_any_name(name, tmp_path):
    for content in ("first", "second"):
        with folder_atomically(tmp_path / name) as folder:
            (folder / content).write_text(content)
    assert os.listdir(tmp_path) == [name] and os.listdir(tmp_path / name) == ["second"]
    (tmp_path / "scratch" / name).mkdir(parents=True)
    move(tmp_path / "scratch" / name, tmp_path / name)
    assert os.listdir(tmp_path / name) == []
