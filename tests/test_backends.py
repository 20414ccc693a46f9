"""The library on Keras's other backends: the same networks, weights and answers as on TensorFlow."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests import golden_weights
from tests.support import skip_or_fail

ROOT = Path(__file__).parents[1]
# One of each that has layers of its own: averaged shortcuts, grouped kernels, attention, blur, standardized kernels.
ROWS = ("resnet18d", "resnext50_32x4d", "seresnet50", "resnetblur50", "resnetv2_50x1_bit")

SCRIPT = """
import sys
import keras, numpy as np
import kres
from tests import golden_weights

folder, *rows = sys.argv[1:]
images, found = golden_weights.image(64), {}
for row in rows:
    shape, weights = (64, 64, 3), f"{folder}/{row}.safetensors"
    model = kres.build(row, input_shape=shape, classifier_activation=None, weights=weights)
    found[row] = model(images, training=False)
    found[row + " at stride 16"] = kres.features(model, [16])(images, training=False)[16]
found = {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}
np.savez(f"{folder}/{keras.backend.backend()}.npz", **found)
"""


def answers(backend: str, folder: Path) -> dict[str, np.ndarray]:
    """What a new interpreter computes on a backend from the weight files in `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), *ROWS],
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
        save_file(golden_weights.state_dict(golden_weights.load(row)), folder / f"{row}.safetensors")
    return folder


@pytest.fixture(scope="module")
def on_tensorflow(weights: Path) -> dict[str, np.ndarray]:
    return answers("tensorflow", weights)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_five_families_compute_the_same(backend: str, weights: Path, on_tensorflow: dict[str, np.ndarray]) -> None:
    if find_spec(backend) is None:
        skip_or_fail(f"{backend} is not installed")
    found = answers(backend, weights)
    assert found.keys() == on_tensorflow.keys()
    for name, expected in on_tensorflow.items():
        # Float32 on both sides; the largest value is the natural unit of a logit and of a map.
        assert np.abs(found[name] - expected).max() <= 1e-4 * np.abs(expected).max(), name
