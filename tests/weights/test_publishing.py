"""Folders in the hub's layout, and their upload by huggingface_hub's own code to a stand-in on the loopback."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kres
from kres.preprocessing import Preprocess
from kres.weights import PUBLISHED, UploadError
from kres.weights.publishing import _advice
from tests.weights.hub_server import COMMIT
from tests.weights.small import SPEC, assert_same, network, scramble, values
from tests.weights.upload_server import TOKEN, serving_uploads

# How huggingface_hub hands bytes to its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

FILES = ["README.md", "config.json", "model.keras", "model.safetensors"]
PREPROCESS = Preprocess(size=32, crop=0.9, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), interpolation="bicubic")
MEASURED = kres.Measured(data="digits", accuracy=0.9712, n_images=599, recipe="digits_cnn")
TO = "ada/small-net"


@pytest.fixture
def model() -> Any:
    return network(preprocess=PREPROCESS)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from huggingface_hub import constants

    with serving_uploads() as server:
        # Read from the environment when huggingface_hub is imported, which another test may have done.
        monkeypatch.setattr(constants, "ENDPOINT", server.host.url)
        template = server.host.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # whose store is another server, and not in Python
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between huggingface_hub's tries
        yield server


def test_a_folder_brings_the_model_back(model: Any, tmp_path: Path) -> None:
    assert kres.push(model, tmp_path / "m", labels="abcde") is None
    assert sorted(os.listdir(tmp_path / "m")) == FILES
    before = values(model)
    other = kres.build(SPEC, weights=tmp_path / "m")
    assert_same(before, other)
    assert other.preprocess == PREPROCESS
    assert_same(before, keras.saving.load_model(tmp_path / "m" / "model.keras"))
    assert os.listdir(tmp_path) == ["m"]


def test_config_says_what_timm_asks_for(model: Any, tmp_path: Path) -> None:
    kres.push(model, tmp_path / "m", labels="abcde")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert (config["architecture"], config["num_classes"], config["num_features"]) == ("resnet", 5, 64)
    assert config["label_names"] == list("abcde")
    assert config["pretrained_cfg"] == {
        "custom_load": False,
        "input_size": [3, 32, 32],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "crop_mode": "center",
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.3, 0.4],
        "num_classes": 5,
        "pool_size": None,
        "first_conv": "conv1",
        "classifier": "fc",
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "cifar_resnet20"),
        ({"output_stride": 4}, "cifar_resnet20"),  # what it has anyway
        ({"output_stride": 2}, "custom_cifar_resnet20"),
        ({"activation": "silu"}, "custom_cifar_resnet20"),
        ({"activation": "silu", "name": "mine"}, "mine"),
    ],
)
def test_only_a_network_that_computes_what_the_row_does_is_called_so(
    options: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    kres.push(kres.build("cifar_resnet20", **options), tmp_path / "m")
    assert json.loads((tmp_path / "m" / "config.json").read_text())["architecture"] == expected


def test_other_channels_and_their_order_come_back(tmp_path: Path) -> None:
    grey = network(input_shape=(32, 32, 1))
    kres.push(grey, tmp_path / "grey")
    assert json.loads((tmp_path / "grey" / "config.json").read_text())["model_args"] == {"in_chans": 1}
    assert kres.build(SPEC, weights=tmp_path / "grey", input_shape=(32, 32, 1)).preprocess == grey.preprocess
    caffe = network(replace(SPEC, preset="caffe"))
    kres.push(caffe, tmp_path / "caffe")
    assert kres.build(SPEC, weights=tmp_path / "caffe").preprocess == caffe.preprocess


def test_the_card_says_what_is_known_and_no_more(model: Any, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    kres.push(model, tmp_path / "plain")
    bare = ModelCard.load(tmp_path / "plain" / "README.md")
    assert (bare.data.license, bare.data.library_name, bare.data.pipeline_tag) == (
        "unknown", "keras", "image-classification",
    )  # fmt: skip
    assert bare.data.eval_results is None and "Accuracy" not in bare.text and "origin" not in bare.text
    weights = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    model.get_layer("stem_conv1").trainable = False  # which makes its kernel no less of a parameter
    notes = "## Training\n\nIt went well."
    kres.push(model, tmp_path / "full", labels="a|cde", licence="mit", measured=MEASURED, notes=notes)
    full = ModelCard.load(tmp_path / "full" / "README.md")
    (result,) = full.data.eval_results
    assert (full.data.license, full.data.model_name) == ("mit", "full")
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("digits", "accuracy", 0.9712)
    assert full.text.endswith(f"\n\n{notes}\n") and "owns the weights" in bare.text and "owns" not in full.text
    for words in (f"| {weights:,} |", "97.12% of 599", "digits_cnn", r"5: a, \|, c", "mean 0.4 0.5 0.6", "bicubic"):
        assert words in full.text


def test_a_licences_name_may_be_in_capitals(model: Any, tmp_path: Path) -> None:
    kres.push(model, tmp_path / "m", licence="CC-BY-NC-4.0")
    assert "CC-BY-NC-4.0: no commercial use" in (tmp_path / "m" / "README.md").read_text()


def test_published_weights_take_their_licence_and_origin_along(model: Any, tmp_path: Path, monkeypatch: Any) -> None:
    row = replace(PUBLISHED["resnet50.a1_in1k"], licence="cc-by-nc-4.0")
    monkeypatch.setitem(PUBLISHED, "resnet50.fair_in1k", row)
    model.weights_tag = "timm/resnet50.fair_in1k"
    kres.push(model, tmp_path / "m")
    text = (tmp_path / "m" / "README.md").read_text()
    assert "license: cc-by-nc-4.0\n" in text
    assert f"shorter side to {model.preprocess.shorter_side} " in text and model.preprocess.shorter_side == 35
    assert "cc-by-nc-4.0: no commercial use" in text and "timm/resnet50.fair_in1k" in text and "80.382 %" in text
    with pytest.raises(ValueError, match=r"forbids commercial use.*licence='mit'"):
        kres.push(model, tmp_path / "other", licence="mit")
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": "abc"}, "each of the network's 5 classes. Received: 3 labels"),
        ({"to": "small-net", "token": TOKEN}, "`owner/name`. Received: to='small-net'"),
        ({"to": "a/b/c", "token": TOKEN}, "`owner/name`"),
        ({"to": "../x", "token": TOKEN}, "`owner/name`"),
    ],
)
def test_bad_arguments_write_nothing(options: dict[str, Any], words: str, model: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        kres.push(model, tmp_path / "m", **options)
    with pytest.raises(ValueError, match=r"as `kres\.build` makes it"):
        kres.push(keras.Model(model.input, model.get_layer("stem_conv1").output), tmp_path / "m")
    assert not os.listdir(tmp_path)


def test_a_network_without_a_head_has_no_labels(tmp_path: Path) -> None:
    model = network(include_top=False, pooling="avg")
    with pytest.raises(ValueError, match=r"network's 0 classes\. Received: 64 labels"):
        kres.push(model, tmp_path / "m", labels=list(map(str, range(64))))
    assert not os.listdir(tmp_path)
    kres.push(model, tmp_path / "m")
    assert json.loads((tmp_path / "m" / "config.json").read_text())["num_classes"] == 0
    assert_same(values(model), kres.build(SPEC, include_top=False, pooling="avg", weights=tmp_path / "m"))


@pytest.mark.parametrize(("accuracy", "n_images"), [(97.1, 5), (-0.1, 5), (float("nan"), 5), (0.5, 0)])
def test_an_accuracy_is_a_share_of_some_images(accuracy: float, n_images: int) -> None:
    with pytest.raises(ValueError, match="is a share"):
        kres.Measured(data="digits", accuracy=accuracy, n_images=n_images)


def test_a_folder_is_replaced_only_if_it_holds_a_model_and_nothing_else(model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    kres.push(model, folder)
    scramble(model, seed=1)
    with pytest.raises(FileExistsError, match=r"`overwrite=True`"):
        kres.push(model, folder)
    kres.push(model, folder, overwrite=True)
    assert_same(values(model), kres.build(SPEC, weights=folder))
    (folder / "thesis.txt").write_text("important")
    with pytest.raises(FileExistsError, match=r"holds thesis\.txt"):
        kres.push(model, folder, overwrite=True)
    assert sorted(os.listdir(folder)) == [*FILES, "thesis.txt"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="a file of that name"):
        kres.push(model, tmp_path / "file", overwrite=True)
    with pytest.raises(NotADirectoryError, match="a directory that exists"):
        kres.push(model, tmp_path / "no" / "m")


@pytest.mark.parametrize("name", ["old", "new"])
def test_a_folder_may_have_any_name(name: str, model: Any, tmp_path: Path) -> None:
    kres.push(model, tmp_path / name)
    scramble(model, seed=1)
    kres.push(model, tmp_path / name, overwrite=True)
    assert_same(values(model), kres.build(SPEC, weights=tmp_path / name))
    assert os.listdir(tmp_path) == [name]


def test_the_current_directory_is_not_replaced(model: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A process, and the shell that started it, would stand in a folder that is gone."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileExistsError, match="the current directory from under you"):
        kres.push(model, ".")
    assert not os.listdir(tmp_path)
    kres.push(model, "m/../m")
    assert os.listdir(tmp_path) == ["m"]


def test_a_write_that_fails_leaves_the_old_folder(model: Any, tmp_path: Path, monkeypatch: Any) -> None:
    kres.push(model, tmp_path / "m")
    before = values(model)
    scramble(model, seed=1)

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(model, "save", full)
    with pytest.raises(OSError, match="No space"):
        kres.push(model, tmp_path / "m", overwrite=True)
    assert os.listdir(tmp_path) == ["m"]
    assert_same(before, kres.build(SPEC, weights=tmp_path / "m"))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_of_something_else_is_no_weights(missing: str, model: Any, tmp_path: Path) -> None:
    kres.push(model, tmp_path / "m")
    (tmp_path / "m" / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"this one lacks {missing}"):
        kres.load_weights(model, tmp_path / "m")


TOLD = '"input_size": [3, 32, 32], "crop_pct": 1, "mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"'
TAG, CLASSES = f'{{"weights_tag": 5, {TOLD}}}', f'{{"num_classes": "5", {TOLD}}}'


@pytest.mark.parametrize("content", ["", "[]", "{}", TAG, CLASSES, '{"pretrained_cfg": {"mean": 3}}', "\xff", None])
def test_a_config_that_tells_no_preprocessing_is_refused(content: str | None, model: Any, tmp_path: Path) -> None:
    kres.push(model, tmp_path / "m")
    config = tmp_path / "m" / "config.json"
    changed = config.read_text().replace("0.9", "9.0") if content is None else content
    config.write_bytes(changed.encode("latin-1"))
    before = values(model)
    scramble(other := kres.build(SPEC))
    with pytest.raises(ValueError, match=r"as timm writes them .*config\.json"):
        kres.load_weights(other, tmp_path / "m")
    assert_same(before, other)


def test_an_upload_can_be_downloaded_again(model: Any, hub: Any, tmp_path: Path) -> None:
    url = kres.push(model, tmp_path / "m", to=TO, token=TOKEN, private=True, measured=MEASURED)
    assert url == f"{hub.host.url}/{TO}/commit/{COMMIT}"
    assert hub.visibility == "private"
    assert "name: small-net" in hub.card
    uploaded = {path.rpartition("/")[2]: content for path, content in hub.host.files.items()}
    assert sorted(uploaded) == FILES
    for name, content in uploaded.items():
        assert content == (tmp_path / "m" / name).read_bytes()
    other = kres.build(SPEC, weights=f"hf://{TO}")
    assert_same(values(model), other)
    assert other.preprocess == PREPROCESS


def test_the_token_may_come_from_the_environment(model: Any, hub: Any, tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(UploadError, match=r"HF_TOKEN.*Nothing was written"):
        kres.push(model, tmp_path / "m", to=TO)
    assert not (tmp_path / "m").exists()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert kres.push(model, tmp_path / "m", to=TO)
    assert hub.visibility is None


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "token is not valid"),
        (403, "may not write there"),
        (404, "may not write there"),
        (429, "too many requests"),
        (500, "the hub has a fault"),
    ],
)
def test_a_refused_upload_says_what_to_do(status: int, advice: str, model: Any, hub: Any, tmp_path: Path) -> None:
    hub.host.status = status
    with pytest.raises(UploadError, match=rf"m is whole.*{advice}.*`hf upload {TO} .*m \.`"):
        kres.push(model, tmp_path / "m", to=TO, token=TOKEN)
    assert not hub.host.files
    assert_same(values(model), kres.build(SPEC, weights=tmp_path / "m"))


def test_a_large_file_that_is_refused_says_so_too(model: Any, hub: Any, tmp_path: Path) -> None:
    hub.host_of_large_files = 403
    with pytest.raises(UploadError, match="may not write there"):
        kres.push(model, tmp_path / "m", to=TO, token=TOKEN)
    assert not hub.host.files


def test_no_network_says_so(model: Any, hub: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from huggingface_hub import constants

    with serving_uploads() as other:
        dead = other.host.url
    monkeypatch.setattr(constants, "ENDPOINT", dead)
    with pytest.raises(UploadError, match=r"m is whole.*check the network"):
        kres.push(model, tmp_path / "m", to=TO, token=TOKEN)
    assert sorted(os.listdir(tmp_path / "m")) == FILES


def test_an_error_without_an_answer_is_one_of_the_network() -> None:
    """requests, the HTTP library of huggingface_hub before 1.0, has `response` None where no server answered."""

    class ConnectionFailed(OSError):
        response = None

    assert "check the network" in _advice([RuntimeError("upload"), ConnectionFailed("refused")])


@pytest.mark.parametrize("source", ["hf://", "hf://small-net", "hf://a/b/c", "hf://../etc/x", "hf://../x", "hf://a/.."])
def test_what_is_no_repository(source: str, model: Any) -> None:
    with pytest.raises(ValueError, match="hf://owner/name"):
        kres.load_weights(model, source)
