"""Files and folders that are whole or not there: what remains after a write that fails half way."""

import os

import pytest

from kres.writing import folder_atomically, move, write_atomically


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
