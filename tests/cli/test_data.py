"""`kres data`: a source as a person looks at it before a run."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from kres.cli.app import app
from tests.training.data.images import png


def invoke(*arguments: str):
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, ["data", *arguments])


@pytest.fixture
def photos(tmp_path):
    """45 classes with an image to train on, those from 25 on with two, and one to test on.

    Of class 30 one is damaged; the image to test class 40 on is one of those to train on.
    """
    for k in range(45):
        for number, name in enumerate(("train/{}/0.png", "val/{}/0.png", "train/{}/1.png")):
            if number < 2 or k >= 25:
                file = tmp_path / name.format(f"class{k:02}")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(png(k, (1 + number, 3)))
    (tmp_path / "train/class30/0.png").write_bytes(png(1)[:40])
    (tmp_path / "train/class00/0.webp").write_bytes(b"")
    (tmp_path / "val/class40/0.png").write_bytes((tmp_path / "train/class40/1.png").read_bytes())
    return tmp_path


def test_help_names_the_commands_and_the_sources():
    assert "inspect" in invoke("--help").stdout
    shown = " ".join(invoke("inspect", "--help").stdout.replace("│", " ").split())
    assert "a folder of TFRecord files, a .csv or .npz file" in shown


def test_inspect_tells_all_to_a_script():
    found = json.loads(invoke("inspect", "digits", "--json").stdout)
    assert sum(found["counts"]["train"]) == 1198
    assert found["counts"]["test"] == [59, 61, 59, 61, 60, 61, 60, 60, 58, 60]
    assert found["width"] == found["height"] == {"min": 32, "median": 32, "max": 32}
    assert found["formats"] == {"array": 1797} and found["colours"] == {"grey": 1797}
    assert found["corrupt"] == found["leaks"] == [] and found["repeats"] == {"train": 0, "test": 0}


def _classes(shown):
    return [int(line.split()[0][5:]) for line in shown.splitlines() if line.startswith("class") and "train" not in line]


def test_inspect_collapses_the_middle_of_many_classes(photos):
    shown = invoke("inspect", str(photos)).stdout
    most_first = [*range(25, 30), *range(31, 45), *range(25), 30]
    assert _classes(shown) == [*most_first[:20], *most_first[-20:]]
    assert "... 5 more (--all)" in shown
    assert "formats: PNG 109\ncolours: colour 109\n" in shown
    assert "45 classes, 64 images to train and 45 to test" in shown
    assert "1 image files of formats that are not read are left out: .webp 1" in shown
    assert (
        "1 cannot be decoded, and are left out above (to train on the others, give --on-corrupt skip): class30/0.png"
        in shown
    )
    assert "1 of the test images are in the training split too, byte for byte: class40/1.png = class40/0.png" in shown
    assert _classes(invoke("inspect", str(photos), "--all").stdout) == most_first


def test_inspect_writes_a_contact_sheet_of_the_classes_shown(photos, tmp_path):
    result = invoke("inspect", str(photos), "--sheet", str(tmp_path / "sheet.png"), "--columns", "2")
    assert result.exit_code == 0 and "contact sheet: " in result.stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 40 * 100 + 4
    invoke("inspect", str(photos), "--sheet", str(tmp_path / "sheet.png"), "--all", "--json")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 45 * 100 + 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.csv",), "data='missing.csv', which is not there"),
        (("digits:1.0",), "Received: data='digits:1.0'"),
        (("digits", "--sheet", "sheet.txt"), "Received: sheet.txt"),
        (("digits", "--sheet", "none/sheet.png"), "Received: none/sheet.png"),
    ],
)
def test_what_inspect_cannot_do_is_told(arguments, words):
    result = invoke("inspect", *arguments)
    assert result.exit_code != 0 and words in str(result.exception)
