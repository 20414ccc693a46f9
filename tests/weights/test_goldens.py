"""Weights through a real file into each network, and what comes out against the reference implementation's float64."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kres
from tests import golden_weights

DEEP = ("resnet101", "resnet152", "resnext101_32x8d")
STRIDES = ("stride4", "stride8", "stride16", "stride32")


def outputs(name: str, golden: dict[str, Any], folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    path = folder / f"{name}.safetensors"
    save_file(golden_weights.state_dict(golden), path)
    size = golden["input_size"]
    model = kres.build(name, input_shape=(size, size, 3), classifier_activation=None)
    kres.load_weights(model, path)
    path.unlink()
    stem = "stem_conv1" if model.spec.order == "preactivation" else "stem_act1"
    taps = [model.get_layer(layer).output for layer in (stem, *(f"stage{s}_out" for s in range(1, 5)))]
    logits, *maps = keras.Model(model.input, [model.output, *taps])(golden_weights.image(size), training=False)
    return np.array(logits), [np.array(x) for x in maps]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in golden_weights.names()],
)
def test_outputs_equal_the_reference(name: str, tmp_path: Path) -> None:
    golden = golden_weights.load(name)
    logits, maps = outputs(name, golden, tmp_path)
    expected = np.array(golden["logits"]).reshape(1, -1)
    # Float32 arithmetic itself is off by up to 1e-6 of the largest logit; a wrong epsilon or padding by 1e-3 and more.
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()
    for stride, x in zip(("stride2", *STRIDES), maps, strict=True):
        feature = golden["features"][stride]
        assert list(x.shape[1:]) == list(feature["shape"]), stride
        # A map's deviation is the natural unit for its mean too, which is often close to zero.
        assert abs(x.mean(dtype="float64") - feature["mean"]) <= 1e-4 * feature["std"], stride
        assert abs(x.std(dtype="float64") - feature["std"]) <= 1e-4 * feature["std"], stride
