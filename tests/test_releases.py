"""Models that earlier releases saved load in this one and answer as they did.

For each release `releases/<version>.keras` is a small network saved by it, `<version>.npy` its answer to `images()`.
"""

from pathlib import Path

import keras
import numpy as np
import pytest

import kres

RELEASES = sorted((Path(__file__).parent / "releases").glob("*.keras"))


def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype("float32")


def test_this_release_has_its_file():
    assert kres.__version__ in [path.stem for path in RELEASES]


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
def test_an_old_model_loads_and_answers_as_it_did(path):
    model = keras.saving.load_model(path)
    assert isinstance(model, kres.ResNet)
    assert model.spec.depths == (1, 1)
    assert kres.preprocess(model).mean == (0.25, 0.5, 0.75)
    # Sums in float32, in whatever order this machine takes them.
    np.testing.assert_allclose(model(images(), training=False), np.load(path.with_suffix(".npy")), rtol=1e-4, atol=1e-6)
