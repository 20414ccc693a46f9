"""`kres serve-page` finds the model, writes the page, and serves it until Ctrl-C."""

import json
import signal
import socket
import types
import urllib.request

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import kres
from kres import export
from kres.cli.app import app
from kres.cli.models import class_names
from kres.export.browser import litert_js
from kres.export.files.errors import ArtifactError
from kres.training.data import load
from kres.training.workdir import FINISHED, describe_data, write_run
from tests.cli.processes import finish, start, wait_for

SPEC = kres.Spec(block="basic", depths=(1,), widths=(8,), stem="cifar")


def serve_page(*arguments):
    return CliRunner().invoke(app, ["serve-page", *map(str, arguments)])


@pytest.fixture(scope="module")
def litert(tmp_path_factory):
    """Files under LiteRT.js's names: what is in them matters in a browser alone."""
    folder = tmp_path_factory.mktemp("node_modules")
    for name in litert_js.needed_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({"version": litert_js.pinned()["version"]}))
    return folder


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """A file in the export/ of a workdir, as training and `kres export` leave it."""
    images = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (images / name).mkdir()
        for number in range(2):
            Image.fromarray(rng.integers(0, 256, (20, 20, 3), "uint8")).save(images / name / f"{number}.png")
    workdir = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(0)
    model = kres.build(SPEC, classes=2, input_shape=(16, 16, 3), name="small")
    model.save(workdir / "model.keras")
    write_run(workdir, {"recipe": {}, "data": describe_data(load(images)), "seed": 0}, state=FINISHED)
    (workdir / "export").mkdir()
    export.tflite(model, workdir / "export" / "small.float32.tflite")
    return workdir / "export" / "small.float32.tflite"


def test_the_workdir_knows_the_model_and_its_classes(artifact, litert):
    result = serve_page(artifact, "--no-serve", "--litert", litert)
    assert result.exit_code == 0, result.exception
    page = artifact.with_name("small.float32.web")
    assert result.stdout.split() == ["Page:", str(page)]
    assert (page / "labels.txt").read_text() == "cat\ndog" and (page / "index.html").is_file()


def test_a_file_elsewhere_needs_its_model(artifact, litert, tmp_path):
    path = tmp_path / "moved.tflite"
    path.write_bytes(artifact.read_bytes())
    (tmp_path / "names.txt").write_text("Katze\nHund\n", encoding="utf-8")
    options = ("--no-serve", "--litert", litert, "--output", tmp_path / "page")
    assert "name what the file was exported from with --model" in str(serve_page(path, *options).exception)
    assert not (tmp_path / "page").exists()
    model = artifact.parents[1] / "model.keras"
    result = serve_page(path, *options, "--model", model, "--labels", tmp_path / "names.txt")
    assert result.exit_code == 0, result.exception
    assert (tmp_path / "page" / "labels.txt").read_text(encoding="utf-8") == "Katze\nHund"


def test_names_in_the_file_come_before_the_models_and_behind_those_that_are_given(artifact, litert, tmp_path):
    model = artifact.parents[1] / "model.keras"
    path = tmp_path / "named.tflite"
    export.tflite(keras.saving.load_model(model), path, about=export.About(class_names=("Katze", "Hund")))
    (tmp_path / "names.txt").write_text("gato\nperro\n", encoding="utf-8")
    options = ("--no-serve", "--litert", litert, "--output", tmp_path / "page", "--model", model)
    for more, expected in (((), "Katze\nHund"), (("--labels", tmp_path / "names.txt"), "gato\nperro")):
        result = serve_page(path, *options, *more)
        assert result.exit_code == 0, result.exception
        assert (tmp_path / "page" / "labels.txt").read_text(encoding="utf-8") == expected


def test_a_model_that_kres_did_not_build_takes_a_preset(artifact, litert, tmp_path):
    path = tmp_path / "moved.tflite"
    path.write_bytes(artifact.read_bytes())
    built = keras.saving.load_model(artifact.parents[1] / "model.keras")
    keras.Model(built.inputs[0], built.outputs[0]).save(tmp_path / "foreign.keras")
    options = ("--no-serve", "--litert", litert, "--output", tmp_path / "page", "--model", tmp_path / "foreign.keras")
    assert "or --preprocess on the command line" in str(serve_page(path, *options).exception)
    assert "metadata say another normalisation" in str(serve_page(path, *options, "--preprocess", "tf").exception)
    result = serve_page(path, *options, "--preprocess", "torch")
    assert result.exit_code == 0, result.exception
    facts = json.loads((tmp_path / "page" / "page.json").read_text())
    assert facts["preprocess"]["crop"] == 0.875 and facts["preprocess"]["size"] == 16 and not facts["pixels"]


def test_classes_of_imagenet_have_their_names():
    named = types.SimpleNamespace(
        model=types.SimpleNamespace(output_shape=(None, 1000)), class_names=None, directory=None
    )
    assert class_names(named, None)[0] == "tench"


def test_refusals_write_nothing(artifact, litert, tmp_path):
    output = tmp_path / "page"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = serve_page(artifact, "--litert", litert, "--output", output, "--port", taken.getsockname()[1])
    assert "is in use" in str(busy.exception)
    missing = serve_page(artifact.with_name("missing.tflite"), "--no-serve", "--output", output)
    assert isinstance(missing.exception, ArtifactError) and "which is not there" in str(missing.exception)
    # Told before the model is looked for, which a file in no workdir does not have.
    (tmp_path / "m.keras").touch()
    model = serve_page(tmp_path / "m.keras", "--no-serve", "--output", output)
    assert "a page runs a TFLite file" in str(model.exception) and "m.keras, a Keras model" in str(model.exception)
    (tmp_path / "m.keras").unlink()
    unlabelled = serve_page(artifact, "--no-serve", "--litert", litert, "--output", output, "--labels", tmp_path / "no")
    assert isinstance(unlabelled.exception, FileNotFoundError)
    assert not list(tmp_path.iterdir())


def test_it_serves_until_it_is_interrupted(artifact, litert, tmp_path):
    process = start("serve-page", artifact, "--litert", litert, "--output", tmp_path / "page", "--port", "0")
    lines = []
    wait_for(lambda: lines.append(process.stdout.readline()) or lines[-1].startswith("Open "), process)
    address = lines[-1].split()[1]
    with urllib.request.urlopen(address + "litert/@litertjs/core/wasm/litert_wasm_internal.wasm") as answer:
        assert answer.headers["Content-Type"] == "application/wasm"
    process.send_signal(signal.SIGINT)
    _, err = finish(process, 0)
    assert "Traceback" not in err
