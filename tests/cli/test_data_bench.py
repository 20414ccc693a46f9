import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kres.cli.app import app


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(6):
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.jpg")
    return tmp_path


def _bench(*arguments):
    return CliRunner().invoke(app, ["data", "bench", *map(str, arguments)])


def test_a_person_is_told_the_figures_and_the_bottleneck(photos):
    found = _bench(photos, "--images", 16, "--batch-size", 8)
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    starts = (
        "reading ",
        "reading and decoding",
        "training pipeline",
        "evaluation pipeline",
        "JPEGs are cut by",
        "of training's time",
        "bottleneck: ",
    )
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))


def test_a_script_gets_json(photos):
    # A recipe of three copies of each image in batches of 2,048, with mixing: what it does to one image is measured.
    found = json.loads(_bench(photos, "--recipe", "resnet50_a1", "--images", 16, "--batch-size", 8, "--json").stdout)
    assert found["recipe"] == "resnet50_a1" and found["n_images"] == 16 and found["name"] == str(photos)
    assert min(found[part] for part in ("reading", "decoding", "training", "evaluation")) > 0
    assert found["bottleneck"] == max(found["shares"], key=found["shares"].get)


def test_more_images_a_batch_than_there_are_is_an_error(photos):
    found = _bench(photos, "--images", 4, "--batch-size", 8)
    assert isinstance(found.exception, ValueError) and "count=4, batch_size=8" in str(found.exception)


def test_an_unknown_recipe_is_an_error_that_names_the_closest(photos):
    found = _bench(photos, "--recipe", "resnet50_a4")
    assert isinstance(found.exception, ValueError) and "resnet50_a" in str(found.exception)
