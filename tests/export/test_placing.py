"""Names of artifacts and of the JSON beside each: whatever ends an export, no JSON stands beside another file."""

import itertools
import json
import os
import shutil
import signal
import warnings
from pathlib import Path

import pytest

from kres.export.placing import accept, reject

CALLS = ((os, ("replace", "rename", "unlink")), (shutil, ("copyfile",)))


def put(directory, name, *, content, folder):
    """An artifact of that content, a file or a directory, and the JSON that describes it."""
    path = directory / name
    if folder:
        path.mkdir()
        (path / "saved_model.pb").write_text(content)
    else:
        path.write_text(content)
    (directory / f"{name}.json").write_text(json.dumps({"of": content}))


def content(path):
    return (path / "saved_model.pb" if path.is_dir() else path).read_text()


def pairs(directory):
    """What stands in a directory: the content of each artifact, and what the JSON beside it tells, None for no such."""
    found = {}
    for path in sorted(directory.iterdir()):
        if path.suffix != ".json" and path.name != "scratch":
            facts = Path(f"{path}.json")
            found[path.name] = content(path), json.loads(facts.read_text())["of"] if facts.exists() else None
    return found


def stage(directory, *, folder):
    """A directory with an artifact, an older one, a rejected one, and a new one that has no name yet."""
    (directory / "scratch").mkdir()
    for name, text in (("m", "good"), ("m.previous", "older"), ("m.rejected", "bad")):
        put(directory, name, content=text, folder=folder)
    put(directory / "scratch", "m", content="new", folder=folder)
    os.rename(directory / "scratch" / "m.json", directory / "scratch" / "facts.json")
    return directory / "scratch" / "m", directory / "scratch" / "facts.json", directory / "m"


@pytest.mark.parametrize("folder", [False, True], ids=["file", "directory"])
def test_a_good_artifact_replaces_all_that_went_before(tmp_path, folder):
    accept(*stage(tmp_path, folder=folder))
    assert pairs(tmp_path) == {"m": ("new", "new")}
    assert sorted(os.listdir(tmp_path)) == ["m", "m.json", "scratch"]


@pytest.mark.parametrize("folder", [False, True], ids=["file", "directory"])
def test_a_rejected_artifact_frees_the_name_and_keeps_what_stood_there(tmp_path, folder, caplog):
    reject(*stage(tmp_path, folder=folder))
    assert pairs(tmp_path) == {"m.previous": ("good", "good"), "m.rejected": ("new", "new")}
    assert caplog.text.count("kept as m.previous") == 1


def test_what_could_not_be_made_leaves_a_json_alone(tmp_path):
    _, facts, path = stage(tmp_path, folder=False)
    reject(None, facts, path)
    assert pairs(tmp_path) == {"m.previous": ("good", "good")}
    assert json.loads((tmp_path / "m.rejected.json").read_text()) == {"of": "new"}


@pytest.mark.parametrize("folder", [False, True], ids=["file", "directory"])
@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()], ids=["full", "stopped"])
def test_what_cannot_be_replaced_keeps_its_json(tmp_path, folder, error, monkeypatch):
    def fail(source, target):
        raise error

    arguments = stage(tmp_path, folder=folder)
    before = pairs(tmp_path)
    monkeypatch.setattr("kres.export.placing.move", fail)
    with pytest.raises(type(error)):
        accept(*arguments)
    assert pairs(tmp_path) == before and before["m"] == ("good", "good")


@pytest.mark.parametrize("folder", [False, True], ids=["file", "directory"])
def test_what_was_rejected_before_may_be_of_the_other_kind(tmp_path, folder):
    arguments = stage(tmp_path, folder=folder)
    for name in ("m.rejected", "m.previous"):
        os.rename(tmp_path / name, tmp_path / "scratch" / f"{name}.old")
        put(tmp_path, name, content="other", folder=not folder)
    reject(*arguments)
    assert pairs(tmp_path) == {"m.previous": ("good", "good"), "m.rejected": ("new", "new")}


def killed(n, function, *arguments):
    """Run a function in a process that kills itself as it comes to the n-th call that changes names: its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads that a child of only a few calls does not need
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    calls = itertools.count()

    def counted(call):
        def wrapper(*given, **options):
            if next(calls) == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **options)

        return wrapper

    try:
        for module, names in CALLS:
            for name in names:
                setattr(module, name, counted(getattr(module, name)))
        function(*arguments)
        os._exit(0)
    finally:
        os._exit(1)


@pytest.mark.parametrize("folder", [False, True], ids=["file", "directory"])
@pytest.mark.parametrize("function", [accept, reject])
def test_a_killed_process_leaves_no_json_beside_another_artifact(tmp_path, folder, function):
    code, n = -signal.SIGKILL, -1
    while code == -signal.SIGKILL:
        n += 1
        directory = tmp_path / str(n)
        directory.mkdir()
        code = killed(n, function, *stage(directory, folder=folder))
        found = pairs(directory)
        assert all(facts in (text, None) for text, facts in found.values()), (n, found)
        # The good artifact is whole somewhere, the scratch directory included, until the new one has its name.
        scratch = [content(path) for path in (directory / "scratch").iterdir() if path.suffix != ".json"]
        whole = [text for text, _ in found.values()] + scratch
        assert "good" in whole or found["m"][0] == "new", (n, found)
        if function is reject and "m" not in found:
            assert found["m.previous"] == ("good", "good"), (n, found)
    assert code == 0 and n >= 5


def test_an_export_after_a_killed_one_clears_up(tmp_path):
    for n in range(8):
        directory = tmp_path / str(n)
        directory.mkdir()
        arguments = stage(directory, folder=False)
        killed(n, reject, *arguments)
        put(directory / "scratch", "m", content="newer", folder=False)
        os.replace(directory / "scratch" / "m.json", arguments[1])
        reject(*arguments)
        assert pairs(directory) == {"m.previous": ("good", "good"), "m.rejected": ("newer", "newer")}, n
