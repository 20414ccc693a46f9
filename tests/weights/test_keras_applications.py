"""keras.applications' own networks: its saved files into ours, and the same numbers out."""

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import kres
from tests.weights.small import assert_same, scramble, values

# Keras's own saving code under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = 96
ROWS = {
    "keras_resnet50": keras.applications.ResNet50,
    "keras_resnet101": keras.applications.ResNet101,
    "keras_resnet152": keras.applications.ResNet152,
    "keras_resnet50v2": keras.applications.ResNet50V2,
    "keras_resnet101v2": keras.applications.ResNet101V2,
    "keras_resnet152v2": keras.applications.ResNet152V2,
}
SLOW = [row for row in ROWS if "50" not in row]


def theirs(row: str, **options: Any) -> keras.Model:
    model = ROWS[row](weights=None, input_shape=(SIZE, SIZE, 3), classifier_activation=None, **options)
    scramble(model)
    return model


def assert_equal_logits(ours: keras.Model, reference: keras.Model) -> None:
    images = np.random.default_rng(3).standard_normal((2, SIZE, SIZE, 3)).astype("float32")
    expected = np.array(reference(images, training=False))
    # Float32 arithmetic in another order of operations is off by up to 1e-6 of the largest.
    assert np.abs(np.array(ours(images, training=False)) - expected).max() <= 1e-5 * np.abs(expected).max()


def write_published_layout(model: keras.Model, path: Path) -> None:
    """The layout of keras.applications' published files, from Keras 2: one group a layer, names with :0."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4"
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, variable in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=variable.numpy())


@pytest.mark.parametrize("row", [pytest.param(row, marks=pytest.mark.slow) if row in SLOW else row for row in ROWS])
def test_a_saved_file_gives_the_same_logits(row: str, tmp_path: Path) -> None:
    reference = theirs(row)
    path = tmp_path / "saved.weights.h5"
    reference.save_weights(path)
    ours = kres.build(row, input_shape=(SIZE, SIZE, 3), classifier_activation=None)
    kres.load_weights(ours, path)
    assert ours.count_params() == reference.count_params()
    assert_equal_logits(ours, reference)


@pytest.fixture(scope="module")
def reference() -> keras.Model:
    return theirs("keras_resnet50")


@pytest.mark.filterwarnings("ignore:.*HDF5 file")
@pytest.mark.parametrize("name", ["saved.keras", "saved.h5", "published.h5"])
def test_every_layout_that_keras_writes(name: str, reference: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "published.h5":
        write_published_layout(reference, path)
    else:
        reference.save(path)
    ours = kres.build("keras_resnet50", weights=path, input_shape=(SIZE, SIZE, 3), classifier_activation=None)
    assert_equal_logits(ours, reference)


def test_a_network_without_a_top_takes_files_with_and_without_one(reference: keras.Model, tmp_path: Path) -> None:
    images = np.random.default_rng(3).standard_normal((1, SIZE, SIZE, 3)).astype("float32")
    headless = keras.Model(reference.input, reference.get_layer("avg_pool").output)
    expected = np.array(headless(images, training=False))
    for model, name in ((reference, "whole.h5"), (headless, "notop.h5")):
        write_published_layout(model, tmp_path / name)
        ours = kres.build("keras_resnet50", include_top=False, pooling="avg", input_shape=(SIZE, SIZE, 3))
        kres.load_weights(ours, tmp_path / name)
        assert np.abs(np.array(ours(images, training=False)) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_file_without_a_top_is_refused_by_a_network_with_one(reference: keras.Model, tmp_path: Path) -> None:
    write_published_layout(keras.Model(reference.input, reference.get_layer("avg_pool").output), tmp_path / "notop.h5")
    ours = kres.build("keras_resnet50", input_shape=(SIZE, SIZE, 3))
    before = values(ours)
    with pytest.raises(ValueError, match=r"predictions/kernel[\s\S]*include_top=False"):
        kres.load_weights(ours, tmp_path / "notop.h5")
    assert_same(before, ours)


def test_weights_of_another_network_of_the_family_are_refused(reference: keras.Model, tmp_path: Path) -> None:
    write_published_layout(reference, tmp_path / "saved.h5")
    for row in ("keras_resnet50v2", "resnet50"):
        ours = kres.build(row, input_shape=(SIZE, SIZE, 3))
        before = values(ours)
        with pytest.raises(ValueError, match="nothing was loaded"):
            kres.load_weights(ours, tmp_path / "saved.h5")
        assert_same(before, ours)
