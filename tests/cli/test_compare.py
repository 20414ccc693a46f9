"""`kres compare`: names, costs, latencies, the table, the CSV and the picture."""

import csv
import json
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec

import keras
import pytest
from PIL import Image
from typer.testing import CliRunner

import kres
from kres.cli import rivals
from kres.cli.app import app
from tests.support import skip_or_fail

SMALL = ("cifar_resnet20", "mobilenetv2")
FAST = ("--image-size", "32", "--no-latency")


def compare(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_costs_and_accuracy_side_by_side():
    found = json.loads(compare("resnet18.tv_in1k", "mobilenetv2", *FAST, "--json").stdout)
    ours, theirs = found["networks"]
    assert found["weights"] == "random"
    assert (ours["name"], ours["input_size"], ours["params"]) == ("resnet18.tv_in1k", 32, 11_689_512)
    assert ours["top1"] == kres.weights.PUBLISHED["resnet18.tv_in1k"].top1
    assert (theirs["name"], theirs["top1"], theirs["keras"], theirs["unknown"]) == ("MobileNetV2", 71.3, None, [])
    assert theirs["macs"] > 0 and theirs["peak_bytes"] > 0


@pytest.mark.slow
def test_latency_of_both_runtimes_and_the_files(tmp_path):
    table, plot = tmp_path / "table.csv", tmp_path / "plot.svg"
    options = ("--image-size", 32, "--rounds", 1, "--runs", 2, "--threads", 1, "--csv", table, "--plot", plot, "--json")
    if find_spec("matplotlib") is None:
        skip_or_fail("matplotlib is not installed")
    result = compare("cifar_resnet20", "mobilenet", *options)
    assert result.exit_code == 0, result.exception
    rows = json.loads(result.stdout)["networks"]
    lines = list(csv.DictReader(table.read_text().splitlines()))
    for row, line in zip(rows, lines, strict=True):
        assert not row["failures"]
        assert float(line["tflite_median_ms"]) == row["tflite"]["median_ms"] > 0
        assert float(line["keras_median_ms"]) == row["keras"]["median_ms"] > 0
        assert line["name"] == row["name"] and int(line["macs"]) == row["macs"]
    assert lines[0]["top1"] == ""
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    assert sorted(tmp_path.iterdir()) == [plot, table]


def test_table_says_that_weights_are_random_and_shows_a_dash():
    shown = compare(*SMALL, *FAST).stdout
    assert "random weights" in shown and "MobileNetV2" in shown and "71.3" in shown
    (row,) = (line for line in shown.splitlines() if line.startswith("cifar_resnet20"))
    assert row.split()[-1] == "-"


def test_png(tmp_path):
    if find_spec("matplotlib") is None:
        skip_or_fail("matplotlib is not installed")
    assert compare("MobileNetV2", *FAST, "--plot", tmp_path / "p.png").exit_code == 0
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size[0] > 500


def test_without_matplotlib_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = compare("MobileNetV2", *FAST, "--plot", tmp_path / "p.png")
    assert isinstance(result.exception, ModuleNotFoundError) and "kres[plots]" in str(result.exception)


def test_without_keras_hub_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    result = compare("vit_base_patch16_224_imagenet", *FAST)
    assert isinstance(result.exception, ModuleNotFoundError) and "kres[hub]" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet51",), "resnet50"),
        (("vgg61",), "vgg16"),
        (("vit_base_patch16_225_imagenet",), "vit_base_patch16_224_imagenet"),
        (("resnet50.no_such_tag",), "resnet50."),
        (("keras.applications.vgg61",), "vgg16"),
        (("ResNet50",), "keras.applications.ResNet50"),
        (("VGG16", "--plot", "plot.pdf"), ".png or .svg"),
        (("cifar_resnet20", "--plot", "plot.png"), "published top-1"),
        (("VGG16", "--csv", "no/such/folder/t.csv"), "no such folder"),
    ],
)
def test_bad_arguments(arguments, words):
    result = compare(*arguments, *FAST)
    assert isinstance(result.exception, (ValueError, OSError)) and words in str(result.exception)


def test_names_are_found_in_any_case_and_exact_rows_first():
    for name in ("VGG16", "vgg16", "keras.applications.vgg16"):
        assert rivals.find(name).name == "VGG16"
    assert rivals.find("resnet50").name == "resnet50"
    assert rivals.find("keras.applications.resnet50").top1 == rivals.KERAS_TOP1["ResNet50"]
    assert set(rivals.KERAS_TOP1) <= set(dir(keras.applications))


@pytest.mark.slow
def test_vit_of_keras_hub():
    """16.87 G of products with weights and 0.72 G in attention: timm's 17.58 G of vit_base_patch16_224."""
    if find_spec("keras_hub") is None:
        skip_or_fail("keras-hub is not installed")
    from keras_hub.models import ViTBackbone

    presets = ViTBackbone.presets
    assert set(rivals.VITS) == {name for name in presets if name.startswith("vit_")}
    model = rivals.find("vit_base_patch16_224_imagenet").build(None)
    assert model.backbone.count_params() == presets["vit_base_patch16_224_imagenet"]["metadata"]["params"]
    found = kres.profile(model)
    assert found.macs / 1e9 == pytest.approx(17.58, abs=5e-3) and not found.unknown
    assert found.params == 86_567_656
