"""The options of `kres train`: what they come to, and what is refused."""

import json
import re

import pytest
import tensorflow as tf
from typer.testing import CliRunner

import kres
from kres.cli.app import app
from kres.training.checkpoints import Checkpoints
from kres.weights import DownloadError


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
    ended, *_, following = result.stdout.splitlines()  # between them the best, where that is another
    assert re.fullmatch(
        r"\d+\.\d\d% of 599 test images right after 2 steps \(\d+ s\): runs/digits_resnet20-digits/model\.keras", ended
    )
    assert "kres predict runs/digits_resnet20-digits photo.jpg" in following
    assert (nowhere / "runs" / "digits_resnet20-digits" / "model.keras").is_file()


@pytest.mark.parametrize(("scores", "named"), [((0.2, 0.1), True), ((0.1, 0.2), False), ((0.2, 0.2), False)])
def test_the_best_checkpoint_is_named_where_it_is_not_the_last(tmp_path, scores, named):
    from kres.cli.train import _closing
    from kres.training import LogRow, Result

    checkpoints = Checkpoints(tmp_path / "checkpoints", tf.train.Checkpoint(value=tf.Variable(0.0)), keep=1)
    rows = [
        LogRow(step=step, epoch=1, learning_rate=1, loss=1, accuracy=0, images_per_second=1, test_accuracy=score)
        for step, score in zip((3, 5), scores, strict=True)
    ]
    for row in rows:
        checkpoints.save(row.step, {}, score=row.test_accuracy)
    facts = {"recipe": "r", "data": "d", "seed": 0, "n_images": 9, "n_corrupt": 0, "steps": 5, "seconds": 1.0}
    told = _closing(Result(workdir=tmp_path, accuracy=scores[-1], history=tuple(rows), **facts), kept=True)
    best = "best 20.00% at step 3: --checkpoint best, to predict, eval and export"
    assert told.splitlines()[1:-1] == ([best] if named else [])


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


def test_weights_that_do_not_come_are_told_with_what_to_do(nowhere, monkeypatch):
    def fit(*_, **__):
        raise DownloadError("it could not be downloaded.")

    monkeypatch.setattr(kres.training, "fit", fit)
    found = run("digits").exception
    assert isinstance(found, DownloadError)
    assert "not be downloaded. A path is given with --set network.weights=PATH;" in str(found)
    assert "--set network.weights=none starts with random weights" in str(found) and "teacher" not in str(found)
    taught = run("digits", "--set", "loss.teacher.row=resnet18", "--set", "loss.teacher.weights=imagenet").exception
    assert "of the teacher loss.teacher.weights=PATH" in str(taught)


def test_a_length_of_ones_own():
    stored = json.loads(run("digits", "--epochs", 2, "--dry-run", "--json").stdout)
    assert (stored["steps"], stored["recipe"]["schedule"]["unit"]) == (75, "epochs")
    stored = json.loads(run("digits", "--steps", 9, "--dry-run", "--json").stdout)
    assert (stored["steps"], stored["recipe"]["schedule"]["unit"]) == (9, "steps")


def test_how_many_checkpoints_stay():
    stored = json.loads(run("digits", "--keep", 7, "--dry-run", "--json").stdout)
    assert stored["recipe"]["watch"]["keep_checkpoints"] == 7


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
        (("digits", "--keep", 0), "at least 1. Received: watch.keep_checkpoints=0"),
        (("digits", "--set", "schedule.learning_rat=1"), r"closest: schedule\.learning_rate"),
        (("digits", "--set", "images.train_size_px=-224"), "at least 1. Received: images.train_size_px=-224"),
        (("digits", "--set", "schedule.warmup=15"), "warmup must be shorter than the run, 15 epochs"),
        (("digits", "--set", "network.row=resnet51"), "resnet50"),
        (("digits", "--strategy", "many"), "auto, one, mirrored.*Received: strategy='many'"),
        (("digits", "--seed", -1), "Received: seed=-1"),
        (("nowhere/images", "--on-corrupt", "ignore"), "Received: on_corrupt='ignore'"),
        (("digits", "--qat"), r"name its checkpoint with --init\. Received: no --init"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message, nowhere):
    found = run(*arguments).exception
    assert isinstance(found, ValueError) and re.search(message, str(found)), found
    assert list(nowhere.iterdir()) == []
