"""`kres demo` in an empty directory, squeezed to a few steps: stopped, gone on with, and run again."""

import json
import os
import re
import shutil
import signal
import types
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kres.cli.app import app
from kres.cli.models import resolve
from kres.cli.proving import proof
from kres.export import Report
from kres.export.browser import litert_js
from kres.export.page import Artifact
from kres.training import Interrupted, read_history
from tests.cli.processes import finish, start, when
from tests.support import skip_or_fail

# What tests/lean hides from other tests' processes, JAX and scikit-learn, is found here as on a user's machine.
AS_INSTALLED = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
STEPS = 200  # as many as it takes to be sure of the digits: 98.8 % right


def _demo(cwd, *arguments):
    return start("demo", "--steps", str(STEPS), *arguments, cwd=cwd, environment=AS_INSTALLED)


def _web():
    """The option for a page where LiteRT.js can be had."""
    try:
        litert_js.fetch()
    except OSError:
        return ()
    return ("--web",)


@pytest.fixture(scope="module")
def stopped_and_finished(tmp_path_factory):
    """The directory, the step at which SIGTERM stopped the first call, and what the second one said."""
    cwd = tmp_path_factory.mktemp("demo")
    workdir = cwd / "runs" / "demo-seed0"
    process = _demo(cwd)
    when(lambda: read_history(workdir), process, signal.SIGTERM)
    _, err = finish(process, 143)
    assert "Go on with the same command" in err and "Traceback" not in err
    step = json.loads(max(workdir.glob("checkpoints/step_*/state.json")).read_text())["step"]
    # Exit code 1 would be a file's that loses too much, of which the test of the table tells.
    out, err = finish(_demo(cwd, "--json", *_web()), 0, 1)
    return cwd, step, json.loads(out), err


@pytest.mark.slow
def test_an_interrupted_demo_goes_on_and_writes_everything(stopped_and_finished):
    cwd, step, answer, err = stopped_and_finished
    assert 0 < step < STEPS and f"from step {step}" in err
    rows = {row["format"]: row for row in answer["artifacts"]}
    assert list(rows) == ["saved_model", "float32", "float16", "dynamic", "int8"]
    for name in ("saved_model", "float32", "float16"):
        assert rows[name]["passed"] and rows[name]["ms"] > 0
    for row in rows.values():
        assert (cwd / row["path"]).exists()
        assert row["n"] == answer["n_images"] == 599
        assert row["top1_keras"] == pytest.approx(answer["accuracy"])
        assert row["agreement"] > 0.9


@pytest.mark.slow
def test_the_table_keeps_what_is_promised(stopped_and_finished):
    """Every answer that the Keras model is sure of is the files' too, and int8 has 30 % of float32's bytes.

    0.3 points of 599 images are one image, and of two or three the net holds two digits for almost equally likely: what
    they become is up to the processor that it was trained on. Where it is sure, no file may lose one.
    """
    cwd, _, answer, _ = stopped_and_finished
    rows = {row["format"]: row for row in answer["artifacts"]}
    named = resolve(str(cwd / "runs" / "demo-seed0"))
    chances = proof(named, "digits", limit=answer["n_images"]).reference.outputs
    second, best = np.sort(chances, axis=1)[:, -2:].T
    # Trained with AVX2 and without oneDNN, int8 moved the logarithm of a small ratio by 0.33 at most; dynamic by 0.20.
    sure = best > np.e * second
    assert sure.mean() > 0.95
    assert not [row for row in rows.values() if any(sure[image] for image, _, _ in row["changed"])]
    assert all(row["agreement"] >= 0.99 for row in rows.values())
    assert rows["int8"]["size_bytes"] <= 0.3 * rows["float32"]["size_bytes"]


@pytest.mark.slow
def test_the_report_holds_every_section(stopped_and_finished):
    cwd, _, answer, _ = stopped_and_finished
    page = (cwd / answer["report"]).read_text().replace("<wbr>", "")
    for title in ("Artifacts", "Latency", "Size", "Training", "Changed answers", "Confusion matrix", "Examples"):
        assert f">{title}</h2>" in page
    for part in ("cifar_resnet20.int8.tflite", "<polyline", f"{100 * answer['accuracy']:.2f} %", "image/png;base64"):
        assert part in page


@pytest.mark.slow
def test_the_page_for_a_browser_is_whole(stopped_and_finished):
    cwd, _, answer, _ = stopped_and_finished
    if "web" not in answer:
        skip_or_fail("LiteRT.js is neither in the cache nor to be had by npm")
    page = cwd / answer["web"]
    assert page.name in ("cifar_resnet20.int8.web", "cifar_resnet20.float32.web")
    assert (page / "model.tflite").read_bytes() == page.with_suffix(".tflite").read_bytes()
    assert (page / "labels.txt").read_text().split() == [str(digit) for digit in range(10)]
    assert all((page / "litert" / name).is_file() for name in litert_js.needed_files())


@pytest.mark.slow
def test_a_second_call_trains_no_more(stopped_and_finished, tmp_path, monkeypatch, caplog):
    cwd, _, answer, _ = stopped_and_finished
    shutil.copytree(cwd / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kres.cli.demo.FORMATS", ("float32", "dynamic"))  # the others were written before
    model = tmp_path / "runs" / "demo-seed0" / "model.keras"
    before = model.stat().st_mtime_ns
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["demo", "--steps", str(STEPS)])
    assert result.exit_code in (0, 1), result.exception
    assert "is finished" in caplog.text and model.stat().st_mtime_ns == before
    assert f"{100 * answer['accuracy']:.2f} % of 599" in result.stdout
    assert str(answer["report"]) in result.stdout
    page = (tmp_path / answer["report"]).read_text().replace("<wbr>", "")
    for name in ("saved_model", "float16.tflite", "int8.tflite"):
        assert re.search(rf"cifar_resnet20\.{name}[a-z.]*</code><small>made ", page), "still there, and on the page"
    assert page.count("<small>made ") == 3


def _told(monkeypatch, *options, passed=True, write_report):
    """What `kres demo` says of an int8 file, without the work."""
    path = "runs/demo-seed0/export/m.tflite"
    report = Report(path=path, format="int8", n=1, passed=passed, reason="", tolerance=None, size_bytes=7)
    result = types.SimpleNamespace(accuracy=0.5, n_images=9, recipe="r", seed=0, steps=1, seconds=1.0, history=())
    monkeypatch.setattr("kres.training.fit", lambda *_, **__: result)
    stub = types.SimpleNamespace(model=None, name="m", reference=None, calibration=None)
    for name, found in (("models.resolve", stub), ("proving.proof", stub), ("models.class_names", None)):
        monkeypatch.setattr(f"kres.cli.{name}", lambda *_, found=found, **__: found)
    monkeypatch.setattr("kres.export.export_all", lambda *_, **__: [report])
    monkeypatch.setattr("kres.cli.demo.timed", lambda *_, **__: [Artifact(report=report, timing=None)])
    monkeypatch.setattr("kres.cli.demo.write_report", write_report)
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["demo", *options])


@pytest.mark.parametrize("as_json", [False, True])
def test_what_was_found_is_told_though_the_report_cannot_be_written(as_json, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    told = _told(monkeypatch, *(["--json"] if as_json else []), write_report=full)
    assert isinstance(told.exception, OSError) and "m.tflite" in told.stdout
    if as_json:
        assert json.loads(told.stdout)["artifacts"][0]["size_bytes"] == 7


@pytest.mark.parametrize(
    ("passed", "command"),
    [
        (True, "kres bench runs/demo-seed0/export/m.tflite"),
        (False, "kres export runs/demo-seed0 --format int8 --auto"),
    ],
)
def test_the_last_line_tells_where_everything_lies_and_how_to_go_on(passed, command, monkeypatch):
    told = _told(monkeypatch, passed=passed, write_report=lambda *_, **__: None)
    assert told.exit_code == (0 if passed else 1)
    last = told.stdout.splitlines()[-1]
    assert last == f"Files: runs/demo-seed0/export, report: runs/demo-seed0/report.html. Next: {command}"


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(("arguments", "seed"), [((), 0), (("--seed", "1"), 1)])
def test_each_seed_has_a_directory_of_its_own(arguments, seed, begun, monkeypatch, tmp_path):
    """Which is gone on with where a run lies there."""
    monkeypatch.chdir(tmp_path)
    workdir = Path("runs", f"demo-seed{seed}")
    if begun:
        workdir.mkdir(parents=True)
        (workdir / "run.json").touch()
    runs = []

    def interrupted(*_, workdir, **settings):
        runs.append((workdir, settings["seed"], settings["resume"]))
        raise Interrupted("stopped after step 1", signal_number=signal.SIGINT)

    monkeypatch.setattr("kres.training.fit", interrupted)
    assert CliRunner().invoke(app, ["demo", *arguments]).exit_code == 130
    assert runs == [(workdir, seed, begun)]
