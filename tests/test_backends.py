"""The library on Keras's other backends: the same networks, weights and answers as on TensorFlow."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

import kres
from tests.families import small
from tests.support import skip_or_fail
from tests.weights.small import network

ROOT = Path(__file__).parents[1]
# One of each that has layers of its own: averaged shortcuts, grouped kernels, attention, blur, standardized kernels.
ROWS = ("resnet18d", "resnext50_32x4d", "seresnet50", "resnetblur50", "resnetv2_50x1_bit")


def answers(folder: Path) -> dict[str, np.ndarray]:
    """Logits and a map of each row, from the weight files in `folder`, on the backend of this process."""
    found, images = {}, np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    for row in ROWS:
        model = kres.build(small(row), classifier_activation=None, weights=folder / f"{row}.safetensors")
        found[row] = model(images, training=False)
        found[row + " at stride 16"] = kres.features(model, [16])(images, training=False)[16]
    return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}


def answers_of(backend: str, folder: Path) -> dict[str, np.ndarray]:
    """What a new interpreter computes on that backend."""
    script = f"""
import pathlib, keras, numpy as np
from tests.test_backends import answers
assert keras.backend.backend() == {backend!r}
folder = pathlib.Path({str(folder)!r})
np.savez(folder / "{backend}.npz", **answers(folder))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"KERAS_BACKEND": backend},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    with np.load(folder / f"{backend}.npz") as found:
        return dict(found)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    for row in ROWS:
        kres.export_weights(network(small(row)), folder / f"{row}.safetensors")
    return folder


@pytest.fixture(scope="module")
def on_tensorflow(weights: Path) -> dict[str, np.ndarray]:
    return answers(weights)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_five_families_compute_the_same(backend: str, weights: Path, on_tensorflow: dict[str, np.ndarray]) -> None:
    if find_spec(backend) is None:
        skip_or_fail(f"{backend} is not installed")
    found = answers_of(backend, weights)
    assert found.keys() == on_tensorflow.keys()
    for name, expected in on_tensorflow.items():
        # Float32 on both sides; the largest value is the natural unit of a logit and of a map.
        assert np.abs(found[name] - expected).max() <= 1e-4 * np.abs(expected).max(), name
