"""A run on the command line that has no model yet."""

from dataclasses import replace
from pathlib import Path

import keras
import pytest
from PIL import Image
from typer.testing import CliRunner

from kres.cli.app import app
from kres.cli.models import Named, class_names
from kres.decoding import imagenet_classes
from kres.training import recipe
from kres.training.data import load
from kres.training.workdir import FAILED, describe_data, write_run
from kres.weights import hub


@pytest.mark.parametrize("checkpoint", ["last", "best"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", "{run}", "--data", "digits"),
        ("predict", "{run}", "{image}"),
        ("export", "{run}", "--format", "float32", "--output", "{run}/out"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_run_without_a_checkpoint_says_so_and_fetches_nothing(arguments, checkpoint, tmp_path, monkeypatch):
    def fetch(*_):
        raise AssertionError("there is nothing to load weights for")

    monkeypatch.setattr(hub, "fetch", fetch)
    settings = {"recipe": recipe("transfer").to_dict(), "data": describe_data(load("digits")), "seed": 0}
    write_run(tmp_path, settings, state=FAILED)
    image = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(image)
    words = [word.format(run=tmp_path, image=image) for word in (*arguments, "--checkpoint", checkpoint)]
    found = CliRunner().invoke(app, words).exception
    assert isinstance(found, OSError), found
    told = f"the run in {tmp_path} has no {checkpoint} checkpoint, and so no model yet (its state: failed)."
    assert str(found) == told


def test_names_of_the_classes_are_those_of_the_data_before_imagenets():
    named = Named(model=keras.Sequential([keras.Input((4,)), keras.layers.Dense(1000)]), name="m")
    own = tuple(f"class {index}" for index in range(1000))
    wnids = tuple(wnid for wnid, _ in imagenet_classes())
    assert class_names(named, None)[0] == class_names(named, None, data=wnids)[0] == "tench"
    assert class_names(named, None, data=own) == own
    of_a_run = replace(named, class_names=own[::-1], directory=Path())
    assert class_names(of_a_run, None, data=own) == own[::-1]


def test_labels_that_are_no_text(tmp_path):
    named = Named(model=keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), name="m")
    (path := tmp_path / "m.tflite").write_bytes(b"\x1c\0\0\0TFL3\xff\xfe")
    with pytest.raises(ValueError, match=rf"in UTF-8\. Received: {path}"):
        class_names(named, path)
