"""What a user may call weights, and what a model knows about them afterwards."""

from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kres
from kres.weights import PUBLISHED, hub, published_name
from kres.weights.catalog import Published
from tests.weights.small import SPEC, assert_same, network, timm_state_dict, values


@pytest.mark.parametrize(
    ("source", "row", "expected"),
    [
        ("timm/resnet50.a1_in1k", "resnet50", "resnet50.a1_in1k"),
        ("timm/resnet50.a1_in1k", None, "resnet50.a1_in1k"),
        ("resnet50.tv_in1k", None, "resnet50.tv_in1k"),
        ("tv_in1k", "resnet50", "resnet50.tv_in1k"),
        ("timm/tv_in1k", "resnet50", "resnet50.tv_in1k"),
        ("imagenet", "resnet50", "resnet50.a1_in1k"),
        ("imagenet", "resnet101", "resnet101.a1h_in1k"),
        ("imagenet", "keras_resnet50v2", "keras_resnet50v2.imagenet"),
        ("keras/imagenet", "keras_resnet50", "keras_resnet50.imagenet"),
    ],
)
def test_tags(source: str, row: str | None, expected: str) -> None:
    assert published_name(source, row) == expected


@pytest.mark.parametrize(
    ("source", "row", "match"),
    [
        ("a9_in1k", "resnet50", "Published for resnet50: a1_in1k, .*Received: 'a9_in1k'"),
        ("imagenet", "cifar_resnet20", "Published for cifar_resnet20: nothing"),
        ("timm/resnet50.a9_in1k", None, r"Closest: resnet50\."),
        ("keras/resnet50.a1_in1k", "resnet50", "published by 'timm'"),
        ("timm/resnet50.a1_in1k", "resnet101", "another network than resnet101"),
        ("missing.safetensor", "resnet50", r"no file \(\.safetensors, "),
    ],
)
def test_what_is_no_tag(source: str, row: str | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        published_name(source, row)


@pytest.mark.parametrize("source", ["", None, 7, True])
def test_what_is_neither_tag_nor_path(source: object) -> None:
    with pytest.raises(ValueError, match="a tag or a path"):
        kres.load_weights(network(), source)  # type: ignore[arg-type]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of every published one (that downloads work is shown in test_hub.py)."""
    path = tmp_path / "model.safetensors"
    save_file(timm_state_dict(kres.build("resnet18")), path)

    def fetch(name: str, row: Published) -> Path:
        assert PUBLISHED[name] == row
        return path

    monkeypatch.setattr(hub, "fetch", fetch)
    return path


def test_published_weights_bring_their_preprocessing(published: Path) -> None:
    model = kres.build("resnet18", weights="imagenet", input_shape=(96, 96, 3))
    assert model.weights_tag == "timm/resnet18.a1_in1k"
    assert (model.preprocess.size, model.preprocess.crop, model.preprocess.interpolation) == (96, 0.95, "bicubic")
    kres.load_weights(model, "tv_in1k")
    assert model.weights_tag == "timm/resnet18.tv_in1k"
    assert (model.preprocess.crop, model.preprocess.interpolation) == (0.875, "bilinear")
    again = kres.ResNet.from_config(model.get_config())
    assert (again.weights_tag, again.preprocess) == (model.weights_tag, model.preprocess)


def test_a_file_of_the_users_own_has_no_tag(published: Path) -> None:
    model = kres.build("resnet18", weights="imagenet")
    kres.load_weights(model, published)
    assert model.weights_tag is None


def test_a_failed_load_changes_nothing_that_the_model_knows(published: Path) -> None:
    model = kres.build("resnet18", weights="imagenet")
    before, preprocess = values(model), model.preprocess
    published.write_bytes(published.read_bytes()[:-7])
    with pytest.raises(ValueError, match="cut short"):
        kres.load_weights(model, "tv_in1k")
    assert_same(before, model)
    assert (model.weights_tag, model.preprocess) == ("timm/resnet18.a1_in1k", preprocess)


def test_a_model_on_the_users_own_tensor_is_told_its_network(tmp_path: Path) -> None:
    save_file(timm_state_dict(network()), tmp_path / "w.safetensors")
    model = kres.build(SPEC, input_tensor=keras.Input((32, 32, 3)))
    with pytest.raises(ValueError, match="needs `network`"):
        kres.load_weights(model, tmp_path / "w.safetensors")
    kres.load_weights(model, tmp_path / "w.safetensors", network=SPEC)
    expected = network().get_layer("stem_conv1").kernel
    np.testing.assert_array_equal(model.get_layer("stem_conv1").kernel.numpy(), expected.numpy())


def test_home_directories_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    source = network()
    save_file(timm_state_dict(source), tmp_path / "w.safetensors")
    model = kres.build(SPEC)
    kres.load_weights(model, "~/w.safetensors")
    for ours, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_preprocess_of_a_published_tag_is_the_catalogues() -> None:
    assert kres.preprocess("timm/resnet50.a1_in1k") == PUBLISHED["resnet50.a1_in1k"].preprocess
    with pytest.raises(ValueError, match=r"resnet50\.a1_in1k"):
        kres.preprocess("resnet50.a1_in2k")


def test_build_on_an_input_tensor_loads_weights_too(tmp_path: Path) -> None:
    model = network()
    model.save_weights(tmp_path / "own.weights.h5")
    on_tensor = kres.build(SPEC, input_tensor=keras.Input((32, 32, 3)), weights=tmp_path / "own.weights.h5")
    for ours, theirs in zip(on_tensor.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
