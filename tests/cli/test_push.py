"""`kres export-weights` and `kres push`: what reaches the file, the folder and the card from the command line."""

import json
import os
from pathlib import Path
from typing import Any

import keras
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from kres.cli.app import app
from kres.training.workdir import FINISHED, MODEL, RUNNING, write_run
from kres.weights import UploadError
from tests.weights.small import network

SETTINGS = {
    "recipe": {"name": "digits_small"},
    "data": {"source": "digits", "classes": 5, "class_names": list("abcde")},
}
RESULT = {"accuracy": 0.975, "n_images": 599, "n_corrupt": 0, "steps": 7, "seconds": 1.0}


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    return network()


@pytest.fixture
def workdir(trained: keras.Model, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    trained.save(folder / MODEL)
    write_run(folder, SETTINGS, state=FINISHED, result=RESULT)
    return folder


def test_export_weights_of_a_run_and_of_a_file(workdir: Path, tmp_path: Path, trained: Any) -> None:
    out = tmp_path / "w.safetensors"
    for source in (workdir, workdir / MODEL):
        assert invoke("export-weights", source, out, "--force").exit_code == 0
        assert load_file(out)["fc.weight"].tobytes() == trained.get_layer("predictions").kernel.numpy().T.tobytes()
    again = invoke("export-weights", workdir, out)
    assert isinstance(again.exception, FileExistsError) and "--force" in str(again.exception)


def test_a_row_takes_its_weights_from_a_file(tmp_path: Path) -> None:
    import kres
    from kres.weights.saving import state_dict

    model = kres.build("cifar_resnet20")
    model.save(tmp_path / "m.keras")
    out = tmp_path / "w.safetensors"
    assert invoke("export-weights", "cifar_resnet20", out, "--weights", tmp_path / "m.keras").exit_code == 0
    written = load_file(out)
    for name, value in state_dict(model).items():
        assert written[name].tobytes() == value.tobytes()


@pytest.mark.parametrize("command", ["export-weights", "push"])
def test_a_row_that_nothing_is_published_for_has_no_weights(command: str, tmp_path: Path) -> None:
    result = invoke(command, "cifar_resnet20", tmp_path / "out.safetensors")
    assert isinstance(result.exception, ValueError) and "Published for cifar_resnet20: nothing" in str(result.exception)
    assert not os.listdir(tmp_path)


def test_push_writes_what_the_run_recorded(workdir: Path, tmp_path: Path) -> None:
    result = invoke("push", workdir, tmp_path / "pushed", "--licence", "mit")
    assert result.exit_code == 0 and result.stdout == f"{tmp_path / 'pushed'}\n"
    text = (tmp_path / "pushed" / "README.md").read_text()
    for words in ("license: mit", "97.50% of 599 held-out images of digits", "digits_small", "5: a, b, c, d, e"):
        assert words in text
    assert json.loads((tmp_path / "pushed" / "config.json").read_text())["label_names"] == list("abcde")
    # The folder is a model for every other command, and for push itself.
    assert invoke("push", tmp_path / "pushed", tmp_path / "again").exit_code == 0
    assert "97.50%" not in (tmp_path / "again" / "README.md").read_text()


def test_labels_come_from_a_file_and_a_run_that_goes_on_has_no_accuracy_yet(workdir: Path, tmp_path: Path) -> None:
    write_run(workdir, SETTINGS, state=RUNNING)
    (tmp_path / "labels.txt").write_text("un\ndeux\ntrois\nquatre\ncinq\n")
    assert invoke("push", workdir, tmp_path / "pushed", "--labels", tmp_path / "labels.txt").exit_code == 0
    text = (tmp_path / "pushed" / "README.md").read_text()
    assert "5: un, deux, trois, quatre, cinq" in text and "Accuracy" not in text


def test_a_card_does_not_tell_where_the_users_folders_are(workdir: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "data": {"source": "/home/ada/secret/flowers", "classes": 5}}
    write_run(workdir, settings, state=FINISHED, result=RESULT)
    assert invoke("push", workdir, tmp_path / "pushed").exit_code == 0
    text = (tmp_path / "pushed" / "README.md").read_text()
    assert "images of flowers" in text and "secret" not in text


def test_an_upload_without_a_token_is_refused_before_anything_is_written(
    workdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    result = invoke("push", workdir, tmp_path / "pushed", "--to", "ada/net")
    assert isinstance(result.exception, UploadError) and "hf auth login" in str(result.exception)
    assert not (tmp_path / "pushed").exists()
