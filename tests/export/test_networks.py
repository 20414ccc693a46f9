"""Each kind of network of the zoo, cut down to a narrow block a stage, in every format."""

import dataclasses

import keras
import numpy as np
import pytest

import kres
from kres import export

ROWS = ("resnet18", "resnet50", "resnext50_32x4d", "keras_resnet50", "keras_resnet50v2", "plainnet34")


def shortened(row: str) -> keras.Model:
    """The network of `row` with a narrow block a stage, lively norms, on (n, 32, 32, 3)."""
    spec = dataclasses.replace(kres.spec(row), depths=(1, 1, 1, 1), widths=(16, 32, 64, 128), params=None)
    model = kres.build(spec, input_shape=(32, 32, 3), classes=10)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean"):
            variable.assign(rng.normal(0, 0.2, variable.shape))
    return model


@pytest.mark.parametrize("row", ROWS)
def test_every_format(row, tmp_path):
    model = shortened(row)
    images = np.random.default_rng(1).normal(size=(48, 32, 32, 3)).astype(np.float32)
    expected = export.reference(model, images)
    reports = export.export_all(model, tmp_path, list(export.FORMATS), expected=expected, calibration=images)
    assert {report.format: report.reason for report in reports} == dict.fromkeys(export.FORMATS, "")


def test_mixed_precision_network(tmp_path):
    model = kres.build("cifar_resnet20", input_shape=(16, 16, 3), dtype="mixed_bfloat16")
    assert model.get_layer("stage1_block1_conv1").compute_dtype == "bfloat16"
    report = export.tflite(model, tmp_path / "m.tflite")
    assert report.format == "float32" and report.max_difference < 1e-4


def test_features_are_no_classes(tmp_path):
    model = kres.build("cifar_resnet20", include_top=False, input_shape=(16, 16, 3))
    assert export.tflite(model, tmp_path / "m.tflite").agreement is None
    with pytest.raises(ValueError, match="outputs must be"):
        export.tflite(model, tmp_path / "m.tflite", quantization="dynamic")
