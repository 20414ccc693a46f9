"""`kres export`, `verify` and `bench` on a tiny trained model and real digits."""

import json

import keras
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import kres
from kres.cli.bench import bench
from kres.cli.export import export
from kres.cli.verify import show, verify
from kres.export import FORMATS, ArtifactError, LayerError, Report, RuntimeReport, installed_runtimes
from kres.preprocessing import Preprocess

app = typer.Typer()
for command in (export, verify, bench):
    app.command()(command)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A `.keras` file of a small network that has learned the digits."""
    keras.utils.set_random_seed(0)
    preprocess = Preprocess(size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    spec = kres.Spec(block="basic", depths=(1, 1, 1), widths=(8, 16, 32), stem="cifar")
    model = kres.build(spec, classes=10, input_shape=(32, 32, 3), preprocess=preprocess, name="small")
    from kres.training.data import load, sample_images

    images, labels = sample_images(load("digits"), preprocess, count=1024)
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 320)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=32, epochs=10, verbose=0)
    path = tmp_path_factory.mktemp("model") / "small.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def exported(saved):
    """The result of exporting every format, and the directory."""
    directory = saved.parent / "artifacts"
    return invoke("export", saved, "--all", "--data", "digits", "--output", directory, "--json"), directory


def test_export_writes_every_format_and_says_how_good_it_is(exported):
    result, directory = exported
    answer = json.loads(result.stdout)
    rows = {row["format"]: row for row in answer["artifacts"]}
    assert answer["images"] == "599 held-out images of digits"
    assert list(rows) == ["saved_model", "float32", "float16", "dynamic", "int8"]
    for row in rows.values():
        assert (directory / row["path"]).exists()
        # The network has learned something, so that agreement is no accident. A net that is unsure of many digits may
        # lose two by rounding, which the exit code then says: with 599 images chance decides that, not the format.
        assert row["top1_keras"] > 0.9 and row["agreement"] > 0.95 and row["lost"] <= 6
        assert row["passed"] == (directory / f"small{FORMATS[row['format']].suffix}").exists()
    assert all(rows[name]["passed"] for name in ("saved_model", "float32", "float16"))
    assert result.exit_code == (0 if all(row["passed"] for row in rows.values()) else 1)


def test_verify_passes_what_export_wrote(saved, exported):
    paths = [exported[1] / f"small{FORMATS[name].suffix}" for name in ("saved_model", "float32", "float16")]
    result = invoke("verify", saved, *paths, "--data", "digits", "--images", "100", "--json")
    assert result.exit_code == 0
    reports = json.loads(result.stdout)["artifacts"]
    assert [report["passed"] for report in reports] == [True] * 3
    # In every runtime that is installed; a SavedModel has its own.
    installed = [runtime.name for runtime in installed_runtimes()]
    assert [[row["runtime"].split()[0] for row in report["runtimes"]] for report in reports] == [
        [],
        installed,
        installed,
    ]


def test_verify_fails_one_bad_artifact_among_good_ones(saved, exported, tmp_path):
    good = next(exported[1].glob("*.float32.tflite"))
    content = np.frombuffer(good.read_bytes(), np.uint8).copy()
    # The exponents of a few hundred weights, in the middle of the largest buffers; the last byte of four holds them.
    middle = len(content) // 8 * 4 + 3
    content[middle : middle + 2000 : 4] ^= 0x40
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(content.tobytes())
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(good.read_bytes()[:5000])
    current = ("--runtime", "ai-edge-litert")
    result = invoke("verify", saved, bad, good, cut, "--data", "digits", "--images", "64", *current, "--json")
    assert result.exit_code == 1
    assert [row["passed"] for row in json.loads(result.stdout)["artifacts"]] == [False, True, False]


def test_verify_has_a_row_a_runtime_and_one_a_layer_on_request(saved, exported):
    path = exported[1] / "small.float32.tflite"
    arguments = ("verify", saved, path, "--data", "digits", "--images", "40", "--layers", "--target-runtime", "2.14")
    result = invoke(*arguments, "--runtime", "tf.lite", "--runtime", "ai-edge-litert", "--json")
    assert result.exit_code == 0, result.stdout
    report = json.loads(result.stdout)["artifacts"][0]
    assert [row["runtime"].split()[0] for row in report["runtimes"]] == ["tf.lite", "ai-edge-litert"]
    assert all(row["passed"] and len(row["apart"]) == 2 for row in report["runtimes"])
    assert len(report["layers"]) > 8 and all(layer["snr_db"] > 80 for layer in report["layers"])


def test_verify_shows_runtimes_and_layers_as_tables(capsys):
    row = {"passed": True, "reason": "", "agreement": 1.0, "max_difference": 2e-6, "cosine": 1.0}
    runtimes = tuple(RuntimeReport(runtime=name, apart=(0.0, 3e-7), **row) for name in ("a 1.0, x86_64", "b 2.0, arm"))
    layers = (LayerError(name="stage1_out", snr_db=31.26), LayerError(name="stage2_out", snr_db=12.0))
    report = Report(
        path="m.tflite",
        format="int8",
        n=40,
        tolerance=FORMATS["int8"].tolerance,
        size_bytes=1000,
        runtimes=runtimes,
        layers=layers,
        **row,
    )
    show([report], description="40 images", as_json=False)
    shown = capsys.readouterr().out
    assert "3.0e-07" in shown and "b 2.0" in shown and "31.3 dB" in shown
    assert shown.index("stage2_out") < shown.index("stage1_out")  # the worst first


def test_export_and_verify_know_what_an_old_runtime_lacks(saved, exported, tmp_path, monkeypatch):
    monkeypatch.setattr("kres.export.compatibility.operators", lambda target: {"CONV_2D": 0})
    path = exported[1] / "small.float32.tflite"
    old = ("--data", "digits", "--images", "40", "--runtime", "ai-edge-litert", "--target-runtime", "2.14")
    result = invoke("verify", saved, path, *old)
    assert result.exit_code == 1 and "lacks ADD version" in result.stdout
    result = invoke("export", saved, "--format", "float32", "--output", tmp_path, *old)
    assert result.exit_code == 1 and "CONV_2D version" in result.stdout
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "small.float32.tflite.rejected",
        "small.float32.tflite.rejected.json",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--runtime", "tflite"), "a runtime is one of"),
        (("--runtime", "tflite-runtime=nowhere"), "must be a program"),
        (("--target-runtime", "1.0"), "the target runtime is one of"),
    ],
)
def test_runtimes_that_cannot_be(arguments, words, tmp_path):
    for command in (("verify", "cifar_resnet20", "x.tflite"), ("export", "cifar_resnet20", "--format", "float32")):
        result = invoke(*command, *arguments)
        assert result.exit_code != 0 and words in str(result.exception)


def test_bench(exported):
    path = next(exported[1].glob("*.float16.tflite"))
    result = invoke("bench", path, "--runs", "3", "--threads", "1", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["artifacts"][0]["median_ms"] > 0 and "onednn" in answer
    assert "float16" in invoke("bench", path, "--runs", "3").stdout
    assert isinstance(invoke("bench", path.with_name("missing.tflite")).exception, ArtifactError)


def test_row_without_weights_is_proven_on_random_images_and_says_so(tmp_path, caplog):
    arguments = ("export", "cifar_resnet20", "--classes", "5", "--image-size", "16", "--output", tmp_path)
    result = invoke(*arguments, "--format", "float32", "--json")
    assert result.exit_code == 0, result.stderr
    assert "random images: no accuracy" in json.loads(result.stdout)["images"]
    assert "RANDOM weights" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["cifar_resnet20.float32.tflite"]
    refused = invoke(*arguments, "--format", "float16", "--format", "int8")
    assert isinstance(refused.exception, ValueError) and "give --data" in str(refused.exception)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cifar_resnet20",), "name a --format"),
        (("cifar_resnet20", "--format", "flaot32"), "Did you mean 'float32'"),
        (("cifar_resnet20", "--format", "int8", "--io", "int4"), "io must be one of"),
        (("cifar_resnet21", "--format", "float32"), "cifar_resnet20"),
        (("missing.keras", "--format", "float32"), "no such model"),
        (("cifar_resnet20", "--format", "int8"), "give --data"),
    ],
)
def test_bad_arguments(arguments, words, tmp_path):
    result = invoke("export", *arguments, "--output", tmp_path / "out")
    assert result.exit_code != 0 and words in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_options_of_a_row_are_refused_for_a_saved_model(saved, tmp_path):
    result = invoke("export", saved, "--format", "float32", "--classes", "3", "--output", tmp_path)
    assert "Received: --classes" in str(result.exception)


def test_other_classes_than_the_data(tmp_path):
    row = ("cifar_resnet20", "--classes", "3", "--format", "float32")
    result = invoke("export", *row, "--data", "digits", "--output", tmp_path)
    assert "same classes" in str(result.exception)
