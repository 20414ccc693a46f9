"""`kres eval` of a row with published weights and of a run: on which images, by which recipe, what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from typer.testing import CliRunner

import kres
from kres.cli.app import app
from kres.cli.models import resolve
from kres.training.data import load
from kres.training.workdir import MODEL, describe_data, write_run
from kres.weights import PUBLISHED, hub
from kres.weights.catalog import Published
from kres.weights.saving import state_dict
from tests.test_resampling import picture, with_pil
from tests.weights.small import scramble

NAME = "resnet10t.c3_in1k"
RECIPE = PUBLISHED[NAME].preprocess
SHAPES = [(180, 240), (300, 200), (120, 90), (176, 176)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as timm publishes it, with random numbers."""
    model = kres.build("resnet10t")
    scramble(model)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(state_dict(model), path)
    return path


@pytest.fixture
def published(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in the place of the published one (that downloads work is shown in tests/weights/test_hub.py)."""

    def fetch(name: str, row: Published) -> Path:
        assert (name, row) == (NAME, PUBLISHED[NAME])
        return weights

    monkeypatch.setattr(hub, "fetch", fetch)


@pytest.fixture(scope="module")
def folder(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 1,000 classes: of its test images, all but the first lie in the class that timm's steps lead to."""
    path = tmp_path_factory.mktemp("images")
    for label in range(1000):
        (path / "train" / f"{label:04}").mkdir(parents=True)
        Image.new("RGB", (1, 1)).save(path / "train" / f"{label:04}" / "x.png")
    model = kres.build("resnet10t", weights=weights)
    for number, shape in enumerate(SHAPES):
        image = picture(*shape)
        inputs = (with_pil(image, RECIPE) / 255 - RECIPE.mean) / RECIPE.std
        answer = int(np.argmax(model(inputs[None].astype("float32"), training=False)))
        target = path / "val" / f"{answer if number else (answer + 1) % 1000:04}" / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return path


def evaluate(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    if code:
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_tag_brings_its_size_its_recipe_and_its_published_figure(published: None, folder: Path) -> None:
    found = json.loads(evaluate("resnet10t", "--weights", "c3_in1k", "--data", folder, "--json"))
    assert (found["accuracy"], found["n_images"]) == (0.75, 4)
    assert kres.Preprocess(**found["preprocess"]) == RECIPE
    assert found["published"] == {"weights": f"timm/{NAME}", "top1": 66.724, "size": 176}


def test_the_same_in_words(published: None, folder: Path) -> None:
    """Without --weights it is the row's first tag."""
    lines = evaluate("resnet10t", "--data", folder).splitlines()
    assert lines[0] == f"75.00% of 4 images (test of {folder}) right"
    assert lines[1] == f"published for timm/{NAME} at 176 pixels: 66.72% of ImageNet's validation images"
    assert "shorter side to 201 pixels (bicubic), central 176 x 176, rgb, mean 0.485 0.456 0.406" in lines[2]


def test_a_file_of_ones_own_has_no_published_figure(weights: Path, folder: Path) -> None:
    found = json.loads(evaluate("resnet10t", "--weights", weights, "--data", folder, "--json"))
    assert found["published"] is None
    assert found["preprocess"]["size"] == 176


def test_a_saved_model_has_the_preprocessing_it_was_saved_with(tmp_path: Path) -> None:
    preprocess = kres.Preprocess(size=32, mean=(0.25,) * 3, std=(0.5,) * 3)
    model = kres.build("cifar_resnet20", preprocess=preprocess)
    model.save(tmp_path / "net.keras")
    found = json.loads(evaluate(tmp_path / "net.keras", "--data", "digits", "--json"))
    assert kres.Preprocess(**found["preprocess"]) == preprocess
    assert found["n_images"] == 599 and found["published"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet10t", "--data", "digits"], "10 in 'digits'. Received: a model with 1000"),
        (["resnet10t", "--weights", "a1_in1k", "--data", "digits"], "Published for resnet10t: c3_in1k"),
        (["cifar_resnet20", "--data", "digits"], "Published for cifar_resnet20: nothing"),
        (["resnet10t", "--weights", "missing.safetensors", "--data", "digits"], "missing.safetensors"),
        (["resnet10t", "--data", "no/such/folder"], "no/such/folder"),
        (["missing.keras", "--data", "digits"], "no such model"),
        (["saved.keras", "--weights", "c3_in1k", "--data", "digits"], "a saved model knows its weights"),
    ],
)
def test_what_cannot_be_evaluated(
    arguments: list[str], message: str, published: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("saved.keras").touch()
    assert message in evaluate(*arguments, code=1)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Ten images in two classes, and no split."""
    for number in range(10):
        target = tmp_path / "plain" / f"class{number % 2}" / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(40, 40 + number)).save(target)
    return tmp_path / "plain"


@pytest.mark.parametrize(("options", "split", "count"), [((), "all", 10), (("--split", "test"), "test", 2)])
def test_a_folder_without_a_test_split_counts_whole(
    options: tuple[str, ...], split: str, count: int, plain: Path, weights: Path
) -> None:
    """A fifth would be held out for a model that was trained on the rest; published weights were not."""
    command = ["eval", "resnet10t", "--weights", str(weights), "--data", str(plain), "--classes", "2", "--json"]
    found = json.loads(CliRunner().invoke(app, [*command, *options], catch_exceptions=False).stdout)
    assert (found["split"], found["n_images"]) == (split, count)


def test_a_checkpoint_is_chosen_of_a_workdir_alone():
    with pytest.raises(ValueError, match=r"only a workdir has checkpoints. Received: resnet18 --checkpoint best"):
        resolve("resnet18", checkpoint="best")


@pytest.fixture
def run(plain: Path) -> Path:
    """A workdir whose net was trained on the folder `plain`."""
    preprocess = kres.Preprocess(size=16, mean=(0.5,) * 3, std=(0.5,) * 3)
    workdir = plain.parent / "run"
    workdir.mkdir()
    kres.build("cifar_resnet20", classes=2, input_shape=(16, 16, 3), preprocess=preprocess).save(workdir / MODEL)
    write_run(workdir, {"data": describe_data(load(plain))}, state="finished")
    return workdir


def test_a_run_is_evaluated_on_its_own_images_in_its_own_split(run: Path, plain: Path) -> None:
    """Also where published weights would be tested on all of them."""
    own = json.loads(evaluate(run, "--json"))
    assert (own["split"], own["n_images"]) == ("test", 2)
    assert own == json.loads(evaluate(run, "--data", plain, "--json"))


def test_a_run_whose_images_changed_or_went_says_so(run: Path, plain: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluate(run)
    assert "changed" not in caplog.text
    (plain / "class0" / "0.png").unlink()
    evaluate(run)
    assert f"{plain} has changed since the run" in caplog.text
    plain.rename(plain.with_name("moved"))
    message = evaluate(run, code=1)
    assert "the run's own images do not load, so name them with --data" in message and str(plain) in message


def test_a_model_of_no_run_needs_images(weights: Path) -> None:
    assert "name some with --data. Received: resnet10t" in evaluate("resnet10t", "--weights", weights, code=1)
