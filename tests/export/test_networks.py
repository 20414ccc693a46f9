"""Each kind of network of the zoo, cut down to a narrow block a stage, in every format."""

import dataclasses
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import kres
import kres.zoo
from kres import export
from kres.export import runner
from kres.export.conversion import models
from kres.export.files.inspection import artifact_format
from kres.export.proof.comparison import judge
from kres.export.runtimes.session import opened
from tests.export.calibrated import calibrated

# One small row a family; of families that mix kinds of norm, order or convolution, one a kind.
ROWS = (
    "resnet18",
    "resnet50_gn",
    "resnetv2_50",
    "resnetv2_50x1_bit",
    "resnext50_32x4d",
    "seresnet50",
    "legacy_seresnext50_32x4d",
    "ecaresnet50t",
    "resnetrs50",
    "resnetaa50",
    "resnetblur50",
    "keras_resnet50",
    "keras_resnet50v2",
    "resnet_vd_18",
    "plainnet18",
    "cifar_resnet20",
    "cifar_resnet110_bn_after_addition",
    "cifar_wrn_16_4",
)


def test_every_family_has_a_row():
    families = [module.name for module in pkgutil.iter_modules(kres.zoo.__path__)]
    assert len(families) > 10
    for family in families:
        assert set(ROWS) & set(importlib.import_module(f"kres.zoo.{family}").ROWS), family


def shortened(row: str, *, stages: int = 2, size: int = 32, **options: Any) -> keras.Model:
    """The network of `row` with a narrow block a stage and lively norms, on (n, size, size, 3)."""
    spec = dataclasses.replace(kres.spec(row), depths=(1,) * stages, widths=(16, 32, 64, 128)[:stages], params=None)
    keras.utils.set_random_seed(0)
    model = kres.build(spec, input_shape=(size, size, 3), classes=10, **options)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean"):
            variable.assign(rng.normal(0, 0.2, variable.shape))
    return model


def noise(size: int = 32) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(32, size, size, 3)).astype(np.float32)


def run_here(path: Path, images: np.ndarray) -> list[np.ndarray]:
    """The outputs of an artifact that runs in this process, since to start one for each would take most of the time."""
    if path.is_dir():
        return runner.open_saved_model(str(path))[0](images)
    if path.suffix == ".onnx":
        return runner.open_onnx(str(path), threads=1)[0](images)
    answer, _ = runner.open_tflite(str(path), 1, "ai_edge_litert")
    return [np.concatenate(blocks) for blocks in zip(*(answer(image[None]) for image in images), strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_every_format(row, tmp_path):
    model, images = shortened(row), noise()
    expected, folded = export.reference(model, images), models.without_norms(model)
    options = calibrated(folded, images)
    for name, kind in export.FORMATS.items():
        path = tmp_path / f"m{kind.suffix}"
        kind.write(folded, path, options)
        assert artifact_format(path) == name
        report = judge(expected, run_here(path, images), kind.tolerance, path=path, name=name)
        assert report.passed, f"{name}: {report.reason}"


@pytest.mark.parametrize("row", ["resnet50", "resnetv2_50"])
def test_pyramids(row, tmp_path):
    model = kres.features(shortened(row, stages=4, size=64, dtype="mixed_bfloat16"), (8, 16, 32))
    names = ["saved_model", "float32", "int8", "onnx"]
    reports = export.export_all(model, tmp_path, names, calibration=noise(64))
    assert {report.format: report.reason for report in reports} == dict.fromkeys(names, "")
    # Tight where arithmetic is float; bfloat16 itself would stand at 1e-2.
    assert all(report.max_difference < 1e-5 for report in reports if report.format != "int8")
    with opened(tmp_path / "model.int8.tflite") as session:
        assert [output["shape"][1:3] for output in session.outputs] == [[8, 8], [4, 4], [2, 2]]
    found = tf.saved_model.load(tmp_path / "model.saved_model").signatures["serving_default"](image=noise(64)[:2])
    assert {name: value.shape[1] for name, value in found.items()} == {"output_08": 8, "output_16": 4, "output_32": 2}


def test_mixed_precision_network(tmp_path):
    model = kres.build("cifar_resnet20", input_shape=(16, 16, 3), dtype="mixed_bfloat16")
    assert model.get_layer("stage1_block1_conv1").compute_dtype == "bfloat16"
    report = export.tflite(model, tmp_path / "m.tflite")
    assert report.format == "float32" and report.max_difference < 1e-4


def test_features_are_no_classes(tmp_path):
    model = kres.build("cifar_resnet20", include_top=False, input_shape=(16, 16, 3))
    for quantization in (None, "dynamic"):
        report = export.tflite(model, tmp_path / "m.tflite", quantization=quantization)
        assert report.agreement is None and report.cosine > 0.99
