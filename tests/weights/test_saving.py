"""Weights written under timm's names: what the file holds, and that nothing changes on the way there and back."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import kres
from kres.weights.saving import state_dict
from tests.families import small
from tests.weights.small import PREACTIVATION, SPEC, assert_same, network, scramble, values


@cache
def faults_of_round_trip(spec: kres.Spec, folder: Path) -> list[str]:
    """Variables that change from kres to a file and back, and tensors that change from the file to kres and back."""
    model = network(spec)
    before, there, again = values(model), folder / "there.safetensors", folder / "again.safetensors"
    kres.export_weights(model, there, overwrite=True)
    scramble(model, seed=1)
    kres.load_weights(model, there)
    kres.export_weights(model, again, overwrite=True)
    written, rewritten = load_file(there), load_file(again)
    assert written.keys() == rewritten.keys()
    changed = [path for path, value in values(model).items() if value.tobytes() != before[path].tobytes()]
    return changed + [name for name, value in written.items() if value.tobytes() != rewritten[name].tobytes()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round_trips")


# Names and forms depend on a row's structure; rows that differ in depth or width alone share one small network.
@pytest.mark.parametrize("row", kres.list_models())
def test_every_row_there_and_back_bit_for_bit(row: str, folder: Path) -> None:
    assert faults_of_round_trip(small(row), folder) == []


def test_names_and_axes_are_pytorchs(tmp_path: Path) -> None:
    model = network()
    kres.export_weights(model, tmp_path / "w.safetensors")
    state = load_file(tmp_path / "w.safetensors")
    assert state["conv1.weight"].shape == (8, 3, 7, 7)
    assert state["layer2.0.downsample.0.weight"].shape == (64, 32, 1, 1)
    assert state["fc.weight"].shape == (5, 64)
    np.testing.assert_array_equal(state["fc.weight"], model.get_layer("predictions").kernel.numpy().T)
    kernel = model.get_layer("stage1_block1_conv2").kernel.numpy()
    assert state["layer1.0.conv2.weight"][3, 5, 0, 2] == kernel[0, 2, 5, 3]  # (out, in, h, w)
    with safe_open(tmp_path / "w.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_each_batch_norm_has_its_counter_and_nothing_else_does() -> None:
    state = state_dict(network())
    counters = {name.rpartition(".")[0] for name in state if name.endswith("num_batches_tracked")}
    assert counters == {name.rpartition(".")[0] for name in state if name.endswith("running_mean")}
    for name in counters:
        counter = state[f"{name}.num_batches_tracked"]
        assert (counter.dtype.name, counter.shape, int(counter)) == ("int64", (), 0)
    assert not any("num_batches" in name for name in state_dict(network(small("resnetv2_50x1_bit"))))


def test_a_preactivation_head_is_a_1x1_convolution() -> None:
    assert state_dict(network(PREACTIVATION))["head.fc.weight"].shape == (5, 64, 1, 1)


def test_what_timm_has_no_bias_for_gets_pytorchs_name() -> None:
    state = state_dict(network(small("keras_resnet50")))
    assert {"conv1.bias", "layer1.0.conv1.bias", "layer1.0.downsample.0.bias"} <= state.keys()


def test_a_network_without_a_top_or_in_half_precision_is_written_too(tmp_path: Path) -> None:
    kres.export_weights(network(include_top=False), tmp_path / "a.safetensors")
    assert not [name for name in load_file(tmp_path / "a.safetensors") if name.startswith("fc")]
    model = network(dtype="bfloat16")
    before = [variable.numpy() for variable in model.weights]
    kres.export_weights(model, tmp_path / "b.safetensors")
    scramble(model, seed=1)
    kres.load_weights(model, tmp_path / "b.safetensors")
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def rewired() -> keras.Model:
    model = network()
    return keras.Model(model.input, model.get_layer("stage1_out").output)


@pytest.mark.parametrize(
    "make",
    [
        rewired,
        lambda: kres.fuse(network()),
        lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
        lambda: None,
    ],
)
def test_other_models_are_refused(make: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"as `kres\.build` makes it.*not a fused"):
        kres.export_weights(make(), tmp_path / "w.safetensors")
    assert not os.listdir(tmp_path)


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=r"`overwrite=True`.*w\.safetensors"):
        kres.export_weights(network(), path)
    assert path.read_text() == "precious"
    kres.export_weights(network(), path, overwrite=True)
    assert "conv1.weight" in load_file(path)
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.safetensors.*'.*w\.pth'"):
        kres.export_weights(network(), tmp_path / "w.pth")
    with pytest.raises(NotADirectoryError, match="missing"):
        kres.export_weights(network(), tmp_path / "missing" / "w.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(FileExistsError, match="folder"):
        kres.export_weights(network(), tmp_path / "folder.safetensors", overwrite=True)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    kres.export_weights(network(), path)
    before, replace = path.read_bytes(), Path.replace

    def full(self: Path, target: Path) -> Path:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        kres.export_weights(network(SPEC, classes=3), path, overwrite=True)
    monkeypatch.setattr(Path, "replace", replace)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_exporting_changes_nothing_in_the_model(tmp_path: Path) -> None:
    model = network()
    before = values(model)
    kres.export_weights(model, tmp_path / "w.safetensors")
    assert_same(before, model)
