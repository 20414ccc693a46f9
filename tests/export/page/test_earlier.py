"""What an earlier export left in the folder is on the page of a later one, with what its JSON says."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kres import export
from kres.export import sidecar
from kres.export.about import About
from kres.export.beside import path_of, sha256
from kres.export.naming import previous_name, rejected_name
from kres.export.page import Artifact, Page, earlier_artifacts, html
from kres.export.page import earlier as earlier_files
from kres.export.page.earlier import CHANGED
from kres.export.proof.reports import Report
from tests.export.page.test_document import section

WHEN = 1_700_000_000  # 2023-11-14 22:13:20 UTC


def report(path: Path, name: str, *, passed: bool = True) -> Report:
    return Report(
        path=str(path),
        format=name,
        n=40,
        passed=passed,
        reason="" if passed else "top-1 loses 9 of 40 images",
        tolerance=export.FORMATS[name].tolerance,
        size_bytes=path.stat().st_size if path.exists() else 0,
        top1=0.925,
        agreement=0.975,
        max_difference=1e-5,
    )


def left(classifiers, folder: Path, name: str, file: str, *, passed: bool = True) -> Path:
    """A file with its JSON, as an export leaves it."""
    path = folder / file
    source = classifiers[name].path
    (shutil.copytree if source.is_dir() else shutil.copy)(source, path)
    format_name = {"uint8": "int8"}.get(name, name)
    facts = sidecar.describe(
        report(path, format_name, passed=passed),
        About(),
        artifact=path,
        preprocess=None,
        pixels=False,
        probabilities=False,
    )
    path_of(path).write_text(json.dumps(facts))
    os.utime(path, (WHEN, WHEN))
    return path


@pytest.fixture
def folder(classifiers, tmp_path):
    """Files of earlier exports, one of them rejected and one set aside, and JSON of other things."""
    left(classifiers, tmp_path, "float32", "m.float32.tflite")
    left(classifiers, tmp_path, "saved_model", "m.saved_model")
    left(classifiers, tmp_path, "uint8", rejected_name(Path("m.int8.tflite")).name, passed=False)
    left(classifiers, tmp_path, "uint8", previous_name(Path("m.int8.tflite")).name)
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "package").touch()
    (tmp_path / "list").touch()
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "gone.tflite.json").write_text(json.dumps({"schema": 1}))
    return tmp_path


def test_files_are_found_with_what_their_json_says(folder):
    (folder / "m.int8.tflite").touch()
    found = {one.path.name: one for one in earlier_artifacts(folder, [report(folder / "m.int8.tflite", "int8")])}
    assert list(found) == [
        "m.float32.tflite",
        "m.int8.tflite.previous",
        "m.int8.tflite.rejected",
        "m.saved_model",
    ]
    one = found["m.float32.tflite"]
    assert (one.format, one.top1, one.agreement, one.max_difference) == ("float32", 0.925, 0.975, 1e-5)
    assert one.passed and one.size_bytes == one.path.stat().st_size and one.made.timestamp() == WHEN
    assert not found["m.int8.tflite.rejected"].passed and found["m.saved_model"].size_bytes > 1000


def test_an_export_s_own_files_are_not_earlier_ones(folder):
    own = [report(folder / name, "float32") for name in ("m.float32.tflite", "m.int8.tflite.rejected")]
    assert [one.path.name for one in earlier_artifacts(folder, own)] == ["m.int8.tflite.previous", "m.saved_model"]
    unmade = [replace(one, path=None, size_bytes=None) for one in own]
    assert len(earlier_artifacts(folder, unmade)) == 4


def test_an_own_file_is_known_however_it_is_named(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    own = [report(Path(folder.name, name), "float32") for name in ("m.float32.tflite", "m.saved_model")]
    assert not Path(own[0].path).is_absolute()
    names = [one.path.name for one in earlier_artifacts(folder, own)]
    assert names == ["m.int8.tflite.previous", "m.int8.tflite.rejected"]


def test_a_file_that_vanishes_or_is_not_readable_costs_no_report(folder, monkeypatch):
    def read(path):
        if path.name == "m.float32.tflite":
            path.unlink()
        if path.name == "m.int8.tflite.previous":
            raise PermissionError(13, "Permission denied", str(path))
        return sha256(path)

    monkeypatch.setattr(earlier_files, "sha256", read)
    found = earlier_artifacts(folder, [])
    assert [one.passed for one in found] == [False, False, False, True]
    assert [one.reason for one in found[:2]] == [
        "it cannot be read (No such file or directory)",
        "it cannot be read (Permission denied)",
    ]
    assert found[0].made is None and found[0].size_bytes is None and found[3].size_bytes > 1000
    text = html(Page(title="t", artifacts=(), earlier=found))
    assert section(text, "artifacts").count("✗ not known: it cannot be read") == 2
    assert "m.float32.tflite" not in section(text, "size") and "m.saved_model" in section(text, "size")


def test_of_a_file_that_was_changed_the_json_says_nothing(folder):
    path = folder / "m.float32.tflite"
    path.write_bytes(path.read_bytes() + b"more")
    one = earlier_artifacts(folder, [report(folder / "new.tflite", "float32")])[0]
    assert one.path == path and not one.passed and one.reason == CHANGED and one.top1 is None and one.format is None


@pytest.mark.parametrize("damage", [{"schema": 0}, {"verification": []}, {"verification": {"top1": "high"}}])
def test_a_json_of_another_kind_hinders_nobody(folder, damage):
    path = path_of(folder / "m.float32.tflite")
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    found = earlier_artifacts(folder, [report(folder / "new.tflite", "float32")])
    assert len(found) == 3 and all(one.top1 == 0.925 for one in found)


def test_the_page_lists_them_below_its_own_with_when_they_were_made(folder, classifiers):
    own = Artifact(report=replace(report(classifiers["int8"].path, "int8"), top1=0.5))
    found = earlier_artifacts(folder, [report(folder / "new.tflite", "float32")])
    text = html(Page(title="t", artifacts=[own], earlier=found))
    table = section(text, "artifacts")
    rows = table.split("<tbody")[1].split('<tr role="row">')[1:]
    assert len(rows) == 5 and "50.00 %" in rows[0] and "made" not in rows[0].split("</table>")[0]
    assert "m.float32.tflite</code><small>made 2023-11-14 22:13 UTC</small>" in rows[1] and "92.50 %" in rows[1]
    assert "✗ rejected: top-1 loses 9 of 40 images" in rows[3]
    assert "of an earlier export and still in the folder" in table
    assert section(text, "size").count("<tr>") == 5 and "m.float32.tflite" not in section(text, "usage")
    assert "earlier export" not in html(Page(title="t", artifacts=[own]))


def test_an_unread_file_is_named_all_the_same(folder):
    path = folder / "m.float32.tflite"
    path.write_bytes(b"other")
    found = earlier_artifacts(folder, [report(folder / "new.tflite", "float32")])[:1]
    text = section(html(Page(title="t", artifacts=(), earlier=found)), "artifacts")
    assert f"✗ not known: {CHANGED}" in text and "m.float32.tflite" in text
