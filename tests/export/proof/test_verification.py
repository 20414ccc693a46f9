"""Verification measures what is there, and refuses what is damaged, foreign or too little."""

import dataclasses
import shutil
import signal

import keras
import numpy as np
import pytest

from kres import export
from kres.export.files.errors import ArtifactError
from kres.export.files.inspection import artifact_format, inspect
from kres.export.preparation import random_images
from kres.export.proof.running import interpreter_threads
from kres.export.runtimes import session
from kres.export.runtimes.session import opened
from kres.hardware import cores


@pytest.fixture(scope="module")
def tflite(model, images, tmp_path_factory):
    """A float32 file of the model."""
    path = tmp_path_factory.mktemp("verify") / "m.tflite"
    export.tflite(model, path, images=images)
    return path


@pytest.fixture(scope="module")
def saved(model, images, tmp_path_factory):
    """A SavedModel of the model."""
    path = tmp_path_factory.mktemp("verify") / "m"
    export.saved_model(model, path, images=images)
    return path


def test_images_of_every_kind_give_the_same_report(model, images, tflite):
    import tensorflow as tf

    labels = np.arange(64) % 5
    pairs = tf.data.Dataset.from_tensor_slices((images, labels)).batch(48)
    one_hot = [(image, np.eye(5)[label]) for image, label in zip(images, labels, strict=True)]
    expected = export.verify(model, tflite, images, labels)
    assert expected.passed and expected.top1 == expected.top1_keras
    for source in (pairs, one_hot):
        assert export.verify(model, tflite, source) == expected


def test_other_weights_of_the_same_shape_are_found(build_net, images, tflite, saved):
    other = build_net(seed=7)
    for path in (tflite, saved):
        report = export.verify(other, path, images)
        assert not report.passed and "logits differ" in report.reason


def test_another_shape_is_an_error(build_net, tflite, saved):
    image = keras.Input((8, 8, 3))
    layers = keras.layers
    small = keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))))
    for path in (tflite, saved):
        with pytest.raises(ArtifactError, match="another model"):
            export.verify(small, path, random_images(small))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_truncated_file_is_an_error(model, images, tflite, tmp_path, share):
    content = tflite.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtifactError):
        export.verify(model, path, images)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_never_pass(model, images, tflite, tmp_path, seed):
    """Damage may make a file unreadable, crash the interpreter, or only change an answer: none of that passes."""
    rng = np.random.default_rng(seed)
    content = np.frombuffer(tflite.read_bytes(), np.uint8).copy()
    content[rng.integers(8, len(content), 400)] ^= 0xC0
    path = tmp_path / "damaged.tflite"
    path.write_bytes(content.tobytes())
    try:
        report = export.verify(model, path, images)
    except ArtifactError:
        return
    assert not report.passed


def test_crash_of_the_interpreter_is_an_error(tflite, tmp_path):
    """The interpreter's process dies as by a segmentation fault, between two images."""
    with opened(tflite) as running:
        running.answer(np.zeros((16, 16, 3)))
        running._process.send_signal(signal.SIGSEGV)
        running._process.wait()
        with pytest.raises(ArtifactError, match="crashed with SIGSEGV"):
            running.answer(np.zeros((16, 16, 3)))


def test_an_interpreter_that_hangs_is_given_up(model, images, tflite, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "PATIENCE_SECONDS", 0.5)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    with pytest.raises(ArtifactError, match=r"has not for 0\.5 s"), opened(tflite, python=str(python)):
        pass
    monkeypatch.setattr(session, "PATIENCE_SECONDS", 60)
    with opened(tflite) as running:
        monkeypatch.setattr(session, "PATIENCE_SECONDS", 0.5)
        running._process.send_signal(signal.SIGSTOP)
        with pytest.raises(ArtifactError, match=r"has not for 0\.5 s"):
            running.answer(images[0])


def test_a_file_of_a_format_that_kres_does_not_write(model, images, tflite, tmp_path):
    from tensorflow.lite.python.schema_py_generated import TensorType
    from tensorflow.lite.tools import flatbuffer_utils

    content = flatbuffer_utils.read_model(str(tflite))
    inner = content.subgraphs[0].operators[0].outputs[0]
    content.subgraphs[0].tensors[inner].type = TensorType.INT16
    flatbuffer_utils.write_model(content, str(tmp_path / "int16.tflite"))
    with pytest.raises(ArtifactError, match="int16 activations without int8 weights are no format that kres knows"):
        export.verify(model, tmp_path / "int16.tflite", images)


def test_what_is_no_artifact(model, images, tmp_path, saved):
    (tmp_path / "picture.tflite").write_bytes(b"\x89PNG\r\n\x1a\n" * 100)
    (tmp_path / "folder").mkdir()
    for path, match in (("picture.tflite", "TFL3"), ("folder", "saved_model.pb"), ("missing.tflite", "no such")):
        with pytest.raises(ArtifactError, match=match):
            export.verify(model, tmp_path / path, images)
    shutil.copytree(saved, tmp_path / "cut")
    graph = tmp_path / "cut" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        export.verify(model, tmp_path / "cut", images)


def test_images_and_labels_that_cannot_be(model, images, tflite):
    with pytest.raises(ValueError, match=r"have 1 channels and the model takes 3: repeat the grey one"):
        export.verify(model, tflite, images[..., :1])
    with pytest.raises(ValueError, match=r"have 4 channels and the model takes 3: build the model"):
        export.verify(model, tflite, images[..., [0, 1, 2, 0]])
    grey = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match=r"3 channels and the model takes 1: make them grey.*\(64, 16, 16, 3\)"):
        export.reference(grey, images)
    with pytest.raises(ValueError, match="finite"):
        export.verify(model, tflite, np.full_like(images, np.nan))
    with pytest.raises(ValueError, match="at least one image"):
        export.verify(model, tflite, iter(()))
    with pytest.raises(ValueError, match="labels must be"):
        export.verify(model, tflite, images, np.zeros(5, int))
    with pytest.raises(ValueError, match="between 0 and 4"):
        export.verify(model, tflite, images, np.full(64, 5))


def test_top1_needs_images(model, images, tmp_path):
    with pytest.raises(ValueError, match=r"at least 32 held-out images\. Give more.* Received: 31$"):
        export.tflite(model, tmp_path / "m.tflite", quantization="dynamic", images=images[:31])
    with pytest.raises(ValueError, match="20 calibration images, and no others: pass held-out ones as images="):
        export.tflite(model, tmp_path / "m.tflite", quantization="int8", calibration=images[:20])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("own", [True, False])
def test_a_proof_on_the_calibration_images_is_told(model, images, tmp_path, caplog, own):
    caplog.set_level("INFO", "kres")
    given = {"calibration": images, "images": images[:32] if own else None}
    with pytest.raises(ValueError, match="Closest"):  # which is told after it, and spares the file
        export.tflite(model, tmp_path / "m.tflite", quantization="int8", keep_float="nope", **given)
    assert ("the proof is on the images that ranges are taken from" in caplog.text) is not own


def test_threads_are_those_that_tensorflow_is_told(monkeypatch, model, tmp_path):
    for value, threads in {"3": 3, "0": cores(), "-1": cores(), "": cores()}.items():
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", value)
        assert interpreter_threads() == threads >= 1
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    assert interpreter_threads() == cores()
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "two")
    with pytest.raises(ValueError, match=r"a whole number of threads\. Received: TF_NUM_INTRAOP_THREADS='two'"):
        export.export_all(model, tmp_path, ["saved_model", "float32"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("asked", "written"), [("dynamic", "float16"), ("float32", "float16"), ("onnx", "float32")])
def test_a_writer_of_another_format_breaks_the_artifact(model, images, tmp_path, monkeypatch, asked, written):
    liar = dataclasses.replace(export.FORMATS[asked], write=export.FORMATS[written].write, extra=None)
    monkeypatch.setitem(export.FORMATS, asked, liar)
    (report,) = export.export_all(model, tmp_path, [asked], expected=export.reference(model, images))
    assert not report.passed and f"the file is as {written} is, and {asked} was asked for" in report.reason
    assert not (tmp_path / f"model{liar.suffix}").exists()


def test_model_that_answers_nan_is_an_error(images):
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Lambda(lambda x: x / 0.0)(image))
    with pytest.raises(ValueError, match="itself answers NaN"):
        export.reference(model, images)


def test_report_is_a_frozen_value(model, images, tflite):
    report = export.verify(model, tflite, images)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.passed = False


def test_inspection_reads_names_and_versions(tflite):
    found = inspect(tflite)
    assert found.format == artifact_format(tflite) == "float32"
    assert found.operators["SOFTMAX"] == 1 and set(found.versions) == set(found.operators)


def test_a_file_is_judged_as_what_was_asked_for_and_a_foreign_one_by_its_bytes(images, tmp_path, caplog):
    """A network of so few weights that the converter leaves all of them in float32."""
    layers = keras.layers
    net = [keras.Input((16, 16, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(5)]
    model = keras.Sequential(net)
    report = export.tflite(model, tmp_path / "m.tflite", quantization="dynamic", images=images)
    assert (report.format, report.tolerance) == ("dynamic", export.FORMATS["dynamic"].tolerance)
    assert "m.tflite: dynamic changes nothing in this model, and the file is as float32 is" in caplog.text
    caplog.clear()
    foreign = export.verify(model, tmp_path / "m.tflite", images, max_drop=1.0)
    assert caplog.messages == ["m.tflite: float32 is not judged by top-1, and max_drop changes nothing"]
    assert (foreign.format, foreign.tolerance) == ("float32", export.FORMATS["float32"].tolerance)
