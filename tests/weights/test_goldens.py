"""Weights through a real file into each network, and what comes out against the reference implementation's float64."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kres
from tests import golden_weights

DEEP = ("resnet101", "resnet101d", "resnet152", "resnext101_32x8d", "wide_resnet50_2")
LEVELS = (2, 4, 8, 16, 32)


def outputs(
    name: str, golden: dict[str, Any], folder: Path, output_stride: int | None = None
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    path = folder / f"{name}.safetensors"
    save_file(golden_weights.state_dict(golden), path)
    size = golden["input_size"]
    model = kres.build(name, input_shape=(size, size, 3), classifier_activation=None, output_stride=output_stride)
    kres.load_weights(model, path)
    path.unlink()
    both = keras.Model(model.input, [model.output, kres.features(model, LEVELS).output])
    logits, maps = both(golden_weights.image(size), training=False)
    return np.array(logits), {level: np.array(x) for level, x in maps.items()}


def check_map(x: np.ndarray, feature: dict[str, Any], level: int) -> None:
    assert list(x.shape[1:]) == list(feature["shape"]), level
    # A map's deviation is the natural unit for its mean too, which is often close to zero.
    assert abs(x.mean(dtype="float64") - feature["mean"]) <= 1e-4 * feature["std"], level
    assert abs(x.std(dtype="float64") - feature["std"]) <= 1e-4 * feature["std"], level


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in golden_weights.names()],
)
def test_outputs_equal_the_reference(name: str, tmp_path: Path) -> None:
    golden = golden_weights.load(name)
    logits, maps = outputs(name, golden, tmp_path)
    expected = np.array(golden["logits"]).reshape(1, -1)
    # Float32 arithmetic itself is off by up to 1e-6 of the largest logit, and by more where each kernel is divided by
    # its own deviation; a wrong epsilon or padding by 1e-3 and more.
    tolerance = 1e-5 if kres.spec(name).weight_standardization is None else 2e-4
    assert np.abs(logits - expected).max() <= tolerance * np.abs(expected).max()
    for level, x in maps.items():
        check_map(x, golden["features"][f"stride{level}"], level)


DILATED = json.loads((golden_weights.FOLDER / "dilated" / "timm.json").read_text())["rows"]


@pytest.mark.parametrize("golden", DILATED, ids=lambda golden: f"{golden['name']}-{golden['output_stride']}")
def test_dilated_outputs_equal_the_reference(golden: dict[str, Any], tmp_path: Path) -> None:
    """At an odd size, where each padding shows. The tolerances are those of the strided networks."""
    name, size = golden["name"], golden["input_size"]
    logits, maps = outputs(name, {**golden_weights.load(name), "input_size": size}, tmp_path, golden["output_stride"])
    expected = np.array(golden["logits"])
    assert np.abs(logits[0, : len(expected)] - expected).max() <= 1e-5 * np.abs(logits).max()
    for level, x in maps.items():
        check_map(x, golden["features"][str(level)], level)
