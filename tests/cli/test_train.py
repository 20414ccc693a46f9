"""`kres train` and `kres eval` in processes of their own, which real signals stop."""

import json
import re
import resource
import signal

import numpy as np
import pytest
from typer.testing import CliRunner

from kres.cli.app import app
from kres.training import load_model, read_history
from tests.cli.processes import finish, kres, start, when
from tests.support import skip_or_fail

RUN = ["digits", "--recipe", "digits_resnet20", "--steps", "240", "--batch-size", "8", "--deterministic"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("train") / "whole"
    out, _ = kres("train", *RUN, "--workdir", str(workdir), "--json")
    return workdir, json.loads(out)


@pytest.mark.slow
def test_the_result_is_json_and_eval_agrees(uninterrupted):
    workdir, result = uninterrupted
    assert (result["n_images"], result["steps"], result["seed"]) == (599, 240, 0)
    out, _ = kres("eval", str(workdir), "--data", "digits", "--batch-size", "100", "--json")
    found = json.loads(out)
    assert (found["accuracy"], found["n_images"], found["corrupt"]) == (result["accuracy"], 599, [])


@pytest.mark.slow
def test_a_run_that_is_stopped_and_killed_ends_in_the_same_bits(uninterrupted, tmp_path):
    workdir = tmp_path / "killed"
    arguments = ["train", *RUN, "--workdir", str(workdir), "--resume"]

    process = start(*arguments)
    when(lambda: len(read_history(workdir)) >= 1, process, signal.SIGINT)
    _, err = finish(process, 130)
    assert "SIGINT: stopped after step" in err and "--resume" in err
    assert json.loads((workdir / "run.json").read_text())["state"] == "interrupted"

    process = start(*arguments)
    when((workdir / "checkpoints" / "step_00000100").exists, process, signal.SIGKILL)
    finish(process, -signal.SIGKILL)

    kres(*arguments)
    whole, _ = uninterrupted
    for found, expected in zip(load_model(workdir).get_weights(), load_model(whole).get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    measured = {row.step: row.test_accuracy for row in read_history(workdir) if row.test_accuracy is not None}
    assert measured == {row.step: row.test_accuracy for row in read_history(whole) if row.test_accuracy is not None}


@pytest.mark.slow
def test_sigterm_writes_a_checkpoint_and_exits_143(tmp_path):
    workdir = tmp_path / "run"
    process = start("train", *RUN, "--workdir", str(workdir))
    when(lambda: len(read_history(workdir)) >= 1, process, signal.SIGTERM)
    _, err = finish(process, 143)
    stopped = json.loads(next((workdir / "checkpoints").glob("step_*/state.json")).read_text())["step"]
    assert f"SIGTERM: stopped after step {stopped} of 240" in err
    _, err = kres("train", *RUN, "--workdir", str(workdir), code=2)
    assert "holds this run already" in err and "interrupted" in err


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on_later(tmp_path):
    if not hasattr(resource, "prlimit"):
        skip_or_fail("a running process can be limited on Linux only")
    workdir = tmp_path / "run"
    process = start("train", *RUN, "--workdir", str(workdir))
    first = workdir / "checkpoints" / "step_00000100"
    when(first.exists, process, signal.SIGCONT)  # that signal changes nothing
    # From here on the operating system refuses to let a file grow beyond 1 MB, as a full disk does; a checkpoint has 2.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10**6, 10**6))
    _, err = finish(process, 2)
    assert "step_00000200 could not be written" in err and f"The last good checkpoint is {first}" in err
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["step_00000100"]
    out, _ = kres("train", *RUN, "--workdir", str(workdir), "--resume", "--json")
    assert json.loads(out)["steps"] == 240


@pytest.mark.slow
def test_a_finished_run_says_so_and_another_recipe_is_refused(uninterrupted):
    workdir, result = uninterrupted
    out, err = kres("train", *RUN, "--workdir", str(workdir), "--resume", "--json")
    assert json.loads(out) == result
    assert "is finished" in err
    _, err = kres("train", "digits", "--recipe", "cifar_resnet20", "--workdir", str(workdir), "--resume", code=2)
    assert "holds another run" in err and "recipe.name: 'digits_resnet20' there, 'cifar_resnet20' here" in err


def run(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_run_ends_with_its_score_its_model_and_what_comes_next(nowhere):
    result = run("digits", "--recipe", "digits_resnet20", "--steps", 2, "--batch-size", 8)
    assert result.exit_code == 0
    last, following = result.stdout.splitlines()[-2:]
    assert re.fullmatch(
        r"\d+\.\d\d% of 599 test images right after 2 steps \(\d+ s\): runs/digits_resnet20-digits/model\.keras", last
    )
    assert "kres predict runs/digits_resnet20-digits photo.jpg" in following
    assert (nowhere / "runs" / "digits_resnet20-digits" / "model.keras").is_file()


def test_smoke_runs_anything_on_the_digits_and_leaves_nothing(nowhere):
    result = run("--recipe", "cifar_resnet20", "--smoke")
    assert result.exit_code == 0
    assert re.fullmatch(r"\d+\.\d\d% of 599 test images right after 4 steps \(\d+ s\)", result.stdout.strip())
    assert list(nowhere.iterdir()) == []


def test_a_dry_run_shows_the_plan_and_touches_nothing(nowhere, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    result = run("digits", "--set", "schedule.learning_rate=1e-3", "--dry-run", "--batch-size", 16)
    assert result.exit_code == 0
    marked = [line.split()[0] for line in result.stdout.splitlines() if line.rstrip().endswith("changed")]
    assert marked == ["batch_size", "schedule.learning_rate"]
    for words in ("network.weights", "a1_in1k", "1,198", "1,123 of 16 images", "0.001 at its highest", "memory"):
        assert words in result.stdout
    assert list(nowhere.iterdir()) == []


def test_a_dry_run_counts_published_sets_without_having_them(nowhere, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(nowhere))
    stored = json.loads(run("--recipe", "resnet50_a3", "--dry-run", "--json").stdout)
    assert (stored["data"], stored["train_images"], stored["steps"]) == ("imagenet2012", 1_281_167, 62_557)
    assert stored["recipe"]["schedule"]["learning_rate"] == 8e-3
    found = run("mnist", "--recipe", "cifar_resnet20", "--dry-run").exception
    assert isinstance(found, ValueError) and "nothing was to be downloaded. Received: data='mnist'" in str(found)
    assert list(nowhere.iterdir()) == []


def test_a_length_of_ones_own():
    stored = json.loads(run("digits", "--epochs", 2, "--dry-run", "--json").stdout)
    assert (stored["steps"], stored["recipe"]["schedule"]["unit"]) == (75, "epochs")
    stored = json.loads(run("digits", "--steps", 9, "--dry-run", "--json").stdout)
    assert (stored["steps"], stored["recipe"]["schedule"]["unit"]) == (9, "steps")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "must be named: kres train DATA, or kres train --recipe NAME. Received: neither"),
        (("--recipe", "transfer"), r"Received: data='\./images', which is not there"),
        (("digits", "--recipe", "cifar_resnet19"), "Closest: .*cifar_resnet110.*Received: 'cifar_resnet19'"),
        (("digits", "--steps", 3, "--epochs", 2), "one length: --steps or --epochs. Received: steps=3, epochs=2"),
        (("digits", "--epochs", -1), "above 0. Received: epochs=-1"),
        (("digits", "--batch-size", 0), "at least 1. Received: batch_size=0"),
        (("digits", "--batch-size", 8, "--set", "batch_size=9"), "set once.*Received: batch_size twice"),
        (("digits", "--set", "schedule.learning_rat=1"), r"closest: schedule\.learning_rate"),
        (("digits", "--set", "images.train_size_px=-224"), "at least 1. Received: images.train_size_px=-224"),
        (("digits", "--set", "schedule.warmup=15"), "warmup must be shorter than the run, 15 epochs"),
        (("digits", "--set", "network.row=resnet51"), "resnet50"),
        (("digits", "--strategy", "many"), "auto, one, mirrored.*Received: strategy='many'"),
        (("digits", "--seed", -1), "Received: seed=-1"),
        (("nowhere/images", "--on-corrupt", "ignore"), "Received: on_corrupt='ignore'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message, nowhere):
    found = run(*arguments).exception
    assert isinstance(found, ValueError) and re.search(message, str(found)), found
    assert list(nowhere.iterdir()) == []


def test_an_unknown_recipe_is_one_line(tmp_path):
    _, err = kres("train", "digits", "--recipe", "cifar_resnet19", "--workdir", str(tmp_path / "x"), code=2)
    assert "Closest: cifar_resnet" in err and "Traceback" not in err
    assert not (tmp_path / "x").exists()
