"""`kres predict` on small networks and real image files."""

import json
import re

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import kres
from kres.cli.app import app
from kres.decoding import imagenet_classes
from kres.preprocessing import Preprocess
from kres.training.data import evaluation_images, load
from kres.training.workdir import FINISHED, describe_data, write_run

PREPROCESS = Preprocess(size=32, crop=0.8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), interpolation="bicubic")
SPEC = kres.Spec(block="basic", depths=(1, 1), widths=(8, 16), stem="cifar")


def predict(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def answers(*arguments):
    result = predict(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)["images"]


def small_model(path, *, classes):
    keras.utils.set_random_seed(classes)
    model = kres.build(SPEC, classes=classes, input_shape=(32, 32, 3), preprocess=PREPROCESS, name="small")
    model.save(path)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photograph-like sizes, in two classes."""
    path = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, shape, suffix in (("cat", (50, 70), "png"), ("cat", (64, 40), "jpg"), ("dog", (37, 37), "png")):
        (path / name).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*shape, 3), "uint8")).save(path / name / f"{shape[0]}.{suffix}")
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), "uint8")).save(path / "dog" / "grey.png")
    return path


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A workdir as training leaves it."""
    workdir = tmp_path_factory.mktemp("run")
    model = small_model(workdir / "model.keras", classes=2)
    write_run(workdir, {"recipe": {}, "data": describe_data(load(folder)), "seed": 0}, state=FINISHED)
    return workdir, model


def test_a_run_names_its_own_classes_and_scores_as_its_evaluation_does(run, folder):
    workdir, model = run
    source = load(folder)
    for split in ("train", "test"):
        images = [folder / name for name in source.split(split).names]
        expected = model.predict(evaluation_images(source, PREPROCESS, split=split), verbose=0)
        for answer, image, scores in zip(answers(workdir, *images), images, expected, strict=True):
            assert answer["image"] == str(image)
            found = {row["name"]: row["score"] for row in answer["predictions"]}
            # One image or a batch of them: the order of float32 sums, of probabilities of at most 1.
            assert found == pytest.approx({"cat": scores[0], "dog": scores[1]}, abs=1e-6)
            assert list(found) == sorted(found, key=found.__getitem__, reverse=True)


def test_a_thousand_classes_without_names_are_imagenets(folder, tmp_path):
    small_model(tmp_path / "net.keras", classes=1000)
    (answer,) = answers(tmp_path / "net.keras", folder / "dog" / "37.png", "--top", 3)
    assert len(answer["predictions"]) == 3
    assert {(row["id"], row["name"]) for row in answer["predictions"]} <= set(imagenet_classes())


def test_unknown_classes_are_numbers_until_a_file_names_them(folder, tmp_path):
    small_model(tmp_path / "net.keras", classes=3)
    arguments = (tmp_path / "net.keras", folder / "dog" / "37.png")
    (numbered,) = answers(*arguments)
    assert {row["name"] for row in numbered["predictions"]} == {"0", "1", "2"}
    (tmp_path / "names.txt").write_text("ant\nbee\ncow\n")
    (named,) = answers(*arguments, "--labels", tmp_path / "names.txt")
    assert [row["name"] for row in named["predictions"]] == [
        ("ant", "bee", "cow")[int(row["name"])] for row in numbered["predictions"]
    ]


def test_people_get_a_table(run, folder):
    workdir, _ = run
    shown = predict(workdir, folder / "dog" / "37.png").stdout
    assert "37.png" in shown and "cat" in shown and "dog" in shown


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["{run}", "{tmp}/none.png"], FileNotFoundError, r"none\.png"),
        (["{run}", "{tmp}"], IsADirectoryError, "directory"),
        (["{run}", "{tmp}/notes.txt"], ValueError, r"JPEG, PNG, BMP or GIF.*notes\.txt"),
        (["{run}", "{tmp}/cut.png"], ValueError, r"that decodes.*cut\.png"),
        (["{run}", "{tmp}/image.png", "--labels", "{tmp}/notes.txt"], ValueError, r"`labels` names 1 classes"),
        (["{run}", "{tmp}/image.png", "--weights", "imagenet"], ValueError, "saved model knows its weights"),
        (["plainnet20", "{tmp}/image.png"], ValueError, "Published for plainnet20: nothing"),
        (["resnet51", "{tmp}/image.png"], ValueError, "resnet50"),
    ],
)
def test_a_users_mistake_is_told(arguments, error, message, run, folder, tmp_path):
    whole = (folder / "dog" / "37.png").read_bytes()
    (tmp_path / "image.png").write_bytes(whole)
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "notes.txt").write_text("no image")
    result = predict(*(word.format(run=run[0], tmp=tmp_path) for word in arguments))
    assert isinstance(result.exception, error)
    assert re.search(message, str(result.exception))
