"""What a user may call weights, and what a model knows about them afterwards."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kres
from kres.weights import PUBLISHED, find_published, hub
from kres.weights.catalog import Published
from kres.weights.saving import state_dict
from tests.weights.small import SPEC, assert_same, network, values


@pytest.mark.parametrize("source", ["", None, 7, True])
def test_what_is_neither_tag_nor_path(source: object) -> None:
    with pytest.raises(ValueError, match="a tag or a path"):
        kres.load_weights(network(), source)  # type: ignore[arg-type]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of every published one (that downloads work is shown in test_hub.py)."""
    path = tmp_path / "model.safetensors"
    save_file(state_dict(kres.build("resnet18")), path)

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


def test_published_preprocessing_follows_the_models_channels(published: Path) -> None:
    grey = kres.build("resnet18", weights="imagenet", input_shape=(96, 96, 1)).preprocess
    rgb = PUBLISHED["resnet18.a1_in1k"].preprocess
    assert (grey.mean, grey.std) == ((sum(rgb.mean) / 3,), (sum(rgb.std) / 3,))
    assert (grey.crop, grey.interpolation) == (rgb.crop, rgb.interpolation)


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
    save_file(state_dict(network()), tmp_path / "w.safetensors")
    model = kres.build(SPEC, input_tensor=keras.Input((32, 32, 3)))
    with pytest.raises(ValueError, match="needs `network`"):
        kres.load_weights(model, tmp_path / "w.safetensors")
    kres.load_weights(model, tmp_path / "w.safetensors", network=SPEC)
    expected = network().get_layer("stem_conv1").kernel
    np.testing.assert_array_equal(model.get_layer("stem_conv1").kernel.numpy(), expected.numpy())


def test_home_directories_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    source = network()
    save_file(state_dict(source), tmp_path / "w.safetensors")
    model = kres.build(SPEC)
    kres.load_weights(model, "~/w.safetensors")
    for ours, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """A published file of resnet18 with 7 classes, evaluated at 96 px, in the place of one with 21,843 at 448."""
    row = PUBLISHED["resnet18.a1_in1k"]
    row = replace(row, classes=7, preprocess=replace(row.preprocess, size=96))
    monkeypatch.setitem(PUBLISHED, "resnet18.seven", row)
    save_file(state_dict(kres.build("resnet18", classes=7)), tmp_path / "seven.safetensors")
    monkeypatch.setattr(hub, "fetch", lambda name, row: tmp_path / f"{name.partition('.')[2]}.safetensors")
    return row


def test_published_weights_bring_their_classes_and_size(other: Published, caplog: pytest.LogCaptureFixture) -> None:
    model = kres.build("resnet18", weights="seven")
    assert model.output_shape == (None, 7)
    assert model.input_shape == (None, 96, 96, 3)
    assert model.preprocess == other.preprocess
    assert not caplog.records
    again = kres.ResNet.from_config(model.get_config())
    assert (again.output_shape, again.input_shape) == (model.output_shape, model.input_shape)


def test_the_callers_classes_and_size_have_the_last_word(other: Published, caplog: pytest.LogCaptureFixture) -> None:
    model = kres.build("resnet18", weights="seven", classes=3, input_shape=(64, 64, 3))
    assert (model.output_shape, model.input_shape) == ((None, 3), (None, 64, 64, 3))
    assert model.preprocess.size == 64
    (record,) = caplog.records
    assert "7 classes in the file and 3 in resnet18" in record.message


def test_a_published_backbone_asks_to_be_built_as_one(
    other: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PUBLISHED, "resnet18.backbone", replace(other, classes=0))
    save_file(state_dict(kres.build("resnet18", include_top=False)), tmp_path / "backbone.safetensors")
    with pytest.raises(ValueError, match="no head: load it into a network built with include_top=False"):
        kres.build("resnet18", weights="backbone")
    assert kres.build("resnet18", weights="backbone", include_top=False).weights_tag == "timm/resnet18.backbone"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that were asked of the network, where each ends the load."""
    names: list[str] = []

    def fetch(name: str, row: Published) -> Path:
        names.append(name)
        raise OSError("the download starts here")

    monkeypatch.setattr(hub, "fetch", fetch)
    return names


NON_COMMERCIAL = "fb_swsl_ig1b_ft_in1k"


def test_a_non_commercial_licence_is_accepted_before_anything_is_downloaded(fetched: list[str]) -> None:
    model = kres.build("resnet18", include_top=False)
    match = r"fb_swsl_ig1b_ft_in1k is published under cc-by-nc-4\.0.*accept_licence=True.*Free .*: a1_in1k, "
    with pytest.raises(ValueError, match=match):
        kres.load_weights(model, NON_COMMERCIAL)
    with pytest.raises(ValueError, match=match):
        kres.build("resnet18", weights=NON_COMMERCIAL)
    assert not fetched
    with pytest.raises(OSError, match="the download starts here"):
        kres.load_weights(model, NON_COMMERCIAL, accept_licence=True)
    with pytest.raises(OSError, match="the download starts here"):
        kres.build("resnet18", weights=NON_COMMERCIAL, accept_licence=True)
    assert fetched == [f"resnet18.{NON_COMMERCIAL}"] * 2


@pytest.mark.parametrize("repository", [f"timm/resnet18.{NON_COMMERCIAL}", f"TIMM/ResNet18.{NON_COMMERCIAL}"])
def test_a_repository_that_the_catalogue_knows_is_what_it_says_there(repository: str, fetched: list[str]) -> None:
    with pytest.raises(ValueError, match=r"cc-by-nc-4\.0.*accept_licence=True"):
        kres.build("resnet18", weights=f"hf://{repository}")
    assert not fetched
    with pytest.raises(OSError, match="the download starts here"):
        kres.load_weights(kres.build("resnet18"), f"hf://{repository}", accept_licence=True)
    assert fetched == [f"resnet18.{NON_COMMERCIAL}"]


def test_a_repository_brings_its_tag(published: Path) -> None:
    model = kres.build("resnet18", weights="hf://timm/resnet18.a1_in1k")
    assert model.weights_tag == "timm/resnet18.a1_in1k"
    assert find_published("hf://keras/resnet_18_imagenet", "resnet18") == (
        "resnet18.resnet_18_imagenet",
        PUBLISHED["resnet18.resnet_18_imagenet"],
    )


def test_imagenet_accepts_no_licence_by_itself(fetched: list[str]) -> None:
    with pytest.raises(ValueError, match=r"cc-by-nc-4\.0.*Free for any use of resnext101_32x32d: nothing"):
        kres.build("resnext101_32x32d", weights="imagenet")
    with pytest.raises(OSError, match="the download starts here"):
        kres.ResNet18(include_top=False, weights="imagenet")
    assert fetched == ["resnet18.a1_in1k"]


def test_a_folder_called_as_a_tag_is_not_taken_for_a_file(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imagenet").mkdir()
    monkeypatch.chdir(tmp_path)
    assert kres.build("resnet18", weights="imagenet").weights_tag == "timm/resnet18.a1_in1k"


def test_a_folder_may_be_a_string(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    kres.push(model, tmp_path / "imagenet")
    monkeypatch.chdir(tmp_path)
    for source in ("imagenet", "./imagenet/", str(tmp_path / "imagenet")):
        assert_same(values(model), kres.build(SPEC, weights=source))
    (tmp_path / "imagenet" / "config.json").unlink()
    with pytest.raises(ValueError, match=r"no published tag.*Received: 'imagenet'"):
        kres.build(SPEC, weights="imagenet")
    with pytest.raises(ValueError, match=r"no file .*, folder with a config\.json or hf://owner/name\."):
        kres.build("resnet34", weights="runs/mine")


def test_a_folder_brings_its_classes_and_size(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tuned = network(kres.spec("cifar_resnet20"), classes=7, input_shape=(48, 48, 3))
    kres.push(tuned, tmp_path / "tuned")
    model = kres.build("cifar_resnet20", weights=tmp_path / "tuned")
    assert (model.output_shape, model.input_shape) == ((None, 7), (None, 48, 48, 3))
    assert_same(values(tuned), model)
    assert not caplog.records
    assert kres.build("cifar_resnet20", weights=tmp_path / "tuned", classes=3).output_shape == (None, 3)
    headless = kres.build("cifar_resnet20", include_top=False, weights=tmp_path / "tuned")
    assert headless.input_shape == (None, None, None, 3)


NON_COMMERCIAL_TAG = "timm/resnet18.fb_swsl_ig1b_ft_in1k"


@pytest.mark.parametrize("file", ["model.keras", ""])
def test_what_was_made_of_published_weights_keeps_their_tag(file: str, tmp_path: Path) -> None:
    model = network()
    model.weights_tag = NON_COMMERCIAL_TAG
    kres.push(model, tmp_path / "m")
    other = kres.build(SPEC, weights=tmp_path / "m" / file)
    assert other.weights_tag == NON_COMMERCIAL_TAG
    with pytest.raises(ValueError, match=r"forbids commercial use.*licence='mit'"):
        kres.push(other, tmp_path / "other", licence="mit")


def test_a_model_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"`model` is a network of kres\.build\. Received: model='resnet18'"):
        kres.load_weights("resnet18", "imagenet")


def test_a_spec_of_ones_own_has_no_tags(fetched: list[str]) -> None:
    with pytest.raises(ValueError, match=r"A Spec of one's own has no tags, and takes whole names.*'imagenet'"):
        kres.build(kres.spec("resnet18"), weights="imagenet")
    with pytest.raises(OSError, match="the download starts here"):
        kres.build(kres.spec("resnet18"), weights="resnet18.a1_in1k")
    assert fetched == ["resnet18.a1_in1k"]


def test_preprocess_of_a_published_tag_is_the_catalogues() -> None:
    assert kres.preprocess("timm/resnet50.a1_in1k") == PUBLISHED["resnet50.a1_in1k"].preprocess
    with pytest.raises(ValueError, match=r"resnet50 is a network; .*: resnet50\.a1_in1k, .*Received: 'resnet50'"):
        kres.preprocess("resnet50")
    with pytest.raises(ValueError, match=r"resnet50\.a1_in1k"):
        kres.preprocess("resnet50.a1_in2k")


def test_build_on_an_input_tensor_loads_weights_too(tmp_path: Path) -> None:
    model = network()
    model.save_weights(tmp_path / "own.weights.h5")
    on_tensor = kres.build(SPEC, input_tensor=keras.Input((32, 32, 3)), weights=tmp_path / "own.weights.h5")
    for ours, theirs in zip(on_tensor.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("suffix", [".safetensors", ".keras", ".weights.h5"])
def test_a_files_own_number_of_classes_is_the_networks(suffix: str, tmp_path: Path) -> None:
    """Another number is asked for by name, and leaves the head fresh; without that nobody wants a fresh head."""
    source = network()  # 5 classes
    path = tmp_path / f"w{suffix}"
    if suffix == ".safetensors":
        kres.export_weights(source, path)
    else:
        (source.save if suffix == ".keras" else source.save_weights)(path)
    spec = replace(SPEC, classes=1000)
    model = kres.build(spec, weights=path)
    assert model.output_shape == (None, 5)
    np.testing.assert_array_equal(model.get_layer("predictions").kernel, source.get_layer("predictions").kernel)
    assert kres.build(spec, weights=path, classes=7).output_shape == (None, 7)
    assert kres.build(spec, weights=path, include_top=False).output_shape[-1] == 64
