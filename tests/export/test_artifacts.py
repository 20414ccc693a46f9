"""Every format is written, run and judged; what breaks its tolerance never gets its final name."""

import json
import os
import re

import keras
import numpy as np
import pytest

from kres import export
from kres.export import formats
from kres.export.artifacts import RejectedError
from kres.export.conversion.converter import convert, tflite_converter
from kres.export.files.inspection import artifact_format, inspect
from kres.export.runtimes.session import opened
from tests.support import closed_directory

QUANTIZATIONS = {"float32": None, "float16": "float16", "dynamic": "dynamic", "int8": "int8"}


@pytest.fixture(scope="module")
def artifacts(model, images, tmp_path_factory):
    """One artifact a format, and its report."""
    directory = tmp_path_factory.mktemp("artifacts")
    expected = export.reference(model, images)
    reports = export.export_all(model, directory, list(export.FORMATS), expected=expected, calibration=images)
    return {report.format: report for report in reports}


@pytest.mark.parametrize("name", export.FORMATS)
def test_each_format_passes_and_is_what_it_says(artifacts, name):
    report = artifacts[name]
    assert report.passed and not report.reason
    assert artifact_format(report.path) == name
    assert report.path.endswith(export.FORMATS[name].suffix)
    assert not os.path.exists(f"{report.path}.rejected")


def test_no_temporary_name_stays(artifacts):
    directory = os.path.dirname(artifacts["float32"].path)
    names = [os.path.basename(report.path) for report in artifacts.values()]
    assert sorted(os.listdir(directory)) == sorted(names + [f"{name}.json" for name in names])


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int8", "int16x8", "weight_int8", "weight_int4"])
def test_batch_norm_is_folded_and_only_residual_additions_stay(artifacts, name):
    operators = inspect(artifacts[name].path).operators
    assert operators["MUL"] == 0
    assert operators["ADD"] == 2
    assert operators["CONV_2D"] == 7


def test_dense_layers_stay_readable_for_an_older_runtime(artifacts):
    # tflite-runtime 2.14 knows FULLY_CONNECTED up to version 9.
    assert inspect(artifacts["dynamic"].path).versions["FULLY_CONNECTED"] <= 9


def test_sizes_shrink_with_the_weights(artifacts):
    size = {name: report.size_bytes for name, report in artifacts.items()}
    assert size["float32"] > size["float16"] > size["dynamic"]
    assert size["float16"] > size["int8"]


def test_saved_model_takes_any_batch(artifacts, model, images):
    import tensorflow as tf

    loaded = tf.saved_model.load(artifacts["saved_model"].path)
    answer = loaded.signatures["serving_default"](image=images[:3])["output"]
    # The same kernels in another graph: float32 rounding alone.
    np.testing.assert_allclose(answer, model(images[:3]), atol=1e-6)


@pytest.mark.parametrize(("name", "io"), [("int8", "int8"), ("int8", "uint8"), ("int16x8", "int16")])
def test_integer_input_and_output(model, images, tmp_path, name, io):
    # Normalised input: raw pixels, uint8's default, need a normalisation, which this model does not know.
    path = tmp_path / "m.tflite"
    report = export.tflite(model, path, quantization=name, calibration=images, io=io, pixels=False)
    assert report.passed and report.format == name
    with opened(report.path) as session:
        assert session.input["dtype"] == session.output["dtype"] == io


def test_calibration_is_deterministic(model, images, tmp_path):
    import tensorflow as tf

    for name, calibration in {"a": images, "b": iter(images), "c": tf.data.Dataset.from_tensor_slices(images)}.items():
        export.tflite(model, tmp_path / name, quantization="int8", calibration=calibration, images=images)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_mixed_precision_is_rebuilt_in_float32(build_net, images, tmp_path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build_net()
    finally:
        keras.config.set_dtype_policy(policy)
    assert any(layer.compute_dtype == "bfloat16" for layer in mixed.layers)
    for path in (tmp_path / "m.tflite", tmp_path / "m"):
        write = export.tflite if path.suffix else export.saved_model
        assert write(mixed, path, images=images).max_difference < 1e-5


def test_rejected_artifact_keeps_its_final_name_free(model, images, tmp_path, monkeypatch):
    """A converter that writes other weights than the model has, as one that lies does."""

    def lying(model, path, options):
        liar = keras.models.clone_model(model)
        path.write_bytes(convert(tflite_converter(liar)))

    row = formats.Format(write=lying, suffix=".float32.tflite", tolerance=formats.FORMATS["float32"].tolerance)
    monkeypatch.setitem(formats.FORMATS, "float32", row)
    path = tmp_path / "m.tflite"
    path.write_bytes(b"an earlier artifact")
    with pytest.raises(RejectedError, match="logits differ"):
        export.tflite(model, path, images=images)
    assert (tmp_path / "m.tflite.previous").read_bytes() == b"an earlier artifact"
    assert artifact_format(tmp_path / "m.tflite.rejected") == "float32"
    report = json.loads((tmp_path / "m.tflite.rejected.json").read_text())
    assert report["passed"] is False and "logits differ" in report["reason"]
    assert sorted(os.listdir(tmp_path)) == ["m.tflite.previous", "m.tflite.rejected", "m.tflite.rejected.json"]

    monkeypatch.undo()
    export.tflite(model, path, images=images)
    assert sorted(os.listdir(tmp_path)) == ["m.tflite", "m.tflite.json"]


@pytest.mark.parametrize("content", [b"", b"no flatbuffer at all"])
def test_unreadable_artifact_is_rejected(model, images, tmp_path, monkeypatch, content):
    row = formats.Format(
        write=lambda model, path, options: path.write_bytes(content), suffix="", tolerance=formats.Tolerance()
    )
    monkeypatch.setitem(formats.FORMATS, "float32", row)
    with pytest.raises(RejectedError, match="TFL3"):
        export.tflite(model, tmp_path / "m.tflite", images=images)
    assert not (tmp_path / "m.tflite").exists()


def test_one_rejected_format_stops_no_other(model, images, tmp_path, monkeypatch):
    strict = formats.Tolerance(relative=0.0)
    row = formats.Format(write=formats.float16, suffix=".float16.tflite", tolerance=strict)
    monkeypatch.setitem(formats.FORMATS, "float16", row)
    expected = export.reference(model, images)
    about = export.About(class_names=("a", "b", "c", "d", "e"))
    export.export_all(model, tmp_path, ["float16"], expected=expected, request=export.Request(about=about))
    assert not (tmp_path / "labels.txt").exists()
    reports = export.export_all(
        model, tmp_path, ["float16", "float32"], expected=expected, request=export.Request(about=about)
    )
    assert (tmp_path / "labels.txt").read_text().split() == ["a", "b", "c", "d", "e"]
    assert [report.passed for report in reports] == [False, True]
    export.export_all(model, tmp_path, ["float32"], expected=expected)
    assert not (tmp_path / "labels.txt").exists(), "names of an earlier export"
    assert (tmp_path / "labels.txt.previous").read_text().split() == ["a", "b", "c", "d", "e"]
    export.export_all(model, tmp_path, ["float32"], expected=expected, request=export.Request(about=about))
    assert (tmp_path / "labels.txt").exists() and not (tmp_path / "labels.txt.previous").exists()
    assert (tmp_path / "model.float32.tflite").exists() and not (tmp_path / "model.float16.tflite").exists()


@pytest.mark.parametrize("names", [None, ("v", "w", "x", "y", "z")])
def test_labels_lie_beside_their_own_artifacts_whatever_ends_the_export(model, images, tmp_path, caplog, names):
    (tmp_path / "labels.txt").write_text("mine")

    def ended(report):
        raise KeyboardInterrupt

    request = export.Request(about=export.About(class_names=names))
    with pytest.raises(KeyboardInterrupt):
        export.export_all(model, tmp_path, ["float32", "float16"], request=request, finished=ended)
    assert (tmp_path / "model.float32.tflite").exists()
    if names is None:
        assert not (tmp_path / "labels.txt").exists()
        assert (tmp_path / "labels.txt.previous").read_text() == "mine"
        assert "What lay there is kept as labels.txt.previous" in caplog.text
    else:
        assert (tmp_path / "labels.txt").read_text().split() == list(names)


def test_unsupported_layer_is_named(tmp_path):
    @keras.saving.register_keras_serializable("kres_tests")
    class Determinant(keras.layers.Layer):
        def call(self, x):
            import tensorflow as tf

            return tf.linalg.det(tf.tile(x[..., None], (1, 1, 1, 1, x.shape[-1])))

    image = keras.Input((4, 4, 3))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(Determinant(name="odd_one")(image))))
    words = r"tf\.MatrixDeterminant at .*odd_one"
    for quantization, calibration in (
        (None, None),
        ("int8", np.random.default_rng(0).normal(size=(32, 4, 4, 3)).astype(np.float32)),
    ):
        with pytest.raises(ValueError, match=words):
            export.tflite(model, tmp_path / "m.tflite", quantization=quantization, calibration=calibration)
        facts = json.loads((tmp_path / "m.tflite.rejected.json").read_text())
        assert facts["passed"] is False and re.search(words, facts["reason"]) and facts["sha256"] is None
    assert os.listdir(tmp_path) == ["m.tflite.rejected.json"]
    reports = export.export_all(model, out := tmp_path / "out", ["float32", "saved_model"])
    assert [report.passed for report in reports] == [False, True] and re.search(words, reports[0].reason)
    names = ["model.float32.tflite.rejected.json", "model.saved_model", "model.saved_model.json"]
    assert sorted(os.listdir(out)) == names


def test_arguments_that_cannot_be(model, images, tmp_path):
    path = tmp_path / "m.tflite"
    with pytest.raises(ValueError, match="Did you mean 'float16'"):
        export.tflite(model, path, quantization="float_16")
    with pytest.raises(ValueError, match="pass calibration=images"):
        export.tflite(model, path, quantization="int8")
    with pytest.raises(ValueError, match="int8 and int16x8 alone"):
        export.tflite(model, path, quantization="float16", calibration=images)
    with pytest.raises(ValueError, match=r"io must be float32 for float32\. Received: io='uint8'"):
        export.tflite(model, path, io="uint8")
    with pytest.raises(ValueError, match=r"must have the shape \(n, 16, 16, 3\)"):
        export.tflite(model, path, quantization="int8", calibration=images[:, :8])
    with pytest.raises(ValueError, match="normalised floats"):
        export.tflite(model, path, quantization="int8", calibration=images.astype(np.uint8))
    with pytest.raises(ValueError, match=r"one of float32 or int16 for float32 and int16x8\..* Received: io='uint8'"):
        export.export_all(
            model, tmp_path, ["float32", "int16x8"], calibration=images, request=export.Request(io="uint8")
        )
    with pytest.raises(ValueError, match="batch must be at least 1"):
        export.saved_model(model, tmp_path / "m", batch=0)
    with pytest.raises(ValueError, match="for saved_model alone"):
        export.export_all(model, tmp_path, ["float32"], request=export.Request(batch=4))
    with pytest.raises(ValueError, match="Did you mean 'dynamic'"):
        export.export_all(model, tmp_path, ["dinamic"])
    request = export.Request(platforms=export.Platforms())
    with pytest.raises(ValueError, match=r"for TFLite files alone. Received: saved_model, onnx"):
        export.export_all(model, tmp_path / "out", ["saved_model", "onnx"], request=request)
    assert not os.listdir(tmp_path)


def test_paths_that_cannot_be(model, images, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    with pytest.raises(IsADirectoryError):
        export.tflite(model, tmp_path / "folder", images=images)
    with pytest.raises(FileExistsError):
        export.saved_model(model, tmp_path / "folder", images=images)
    with pytest.raises(NotADirectoryError):
        export.tflite(model, tmp_path / "folder" / "thesis.txt" / "m.tflite", images=images)
    with pytest.raises(NotADirectoryError):
        export.tflite(model, tmp_path / "missing" / "m.tflite", images=images)
    with pytest.raises(NotADirectoryError, match=r"thesis\.txt is a file"):
        export.export_all(model, tmp_path / "folder" / "thesis.txt" / "out", ["float32"])
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "mine"


def test_too_few_images_for_a_verdict_are_refused_before_the_first_file(model, images, tmp_path):
    expected = export.reference(model, images, limit=31)
    with pytest.raises(ValueError, match=r"dynamic is judged by top-1.*Received: 31"):
        export.export_all(model, tmp_path / "out", ["float32", "dynamic"], expected=expected)
    assert list(tmp_path.iterdir()) == []


def test_directory_without_permission(model, images, tmp_path):
    with closed_directory(tmp_path) as closed, pytest.raises(PermissionError, match="can be written"):
        export.tflite(model, closed / "m.tflite", images=images)


def test_models_that_cannot_be(tmp_path, build_net):
    layers = keras.layers
    image = keras.Input((None, None, 3))
    unsized = keras.Model(image, layers.GlobalAveragePooling2D()(image))
    with pytest.raises(ValueError, match="fixed image size"):
        export.tflite(unsized, tmp_path / "m.tflite")
    pair = [keras.Input((4, 4, 3)), keras.Input((4, 4, 3))]
    with pytest.raises(ValueError, match="2 inputs"):
        export.tflite(keras.Model(pair, layers.Add()(pair)), tmp_path / "m.tflite")
    with pytest.raises(ValueError, match="Sequential one that is built"):
        export.tflite(keras.Sequential([layers.Flatten()]), tmp_path / "m.tflite")

    class Own(keras.Model):
        def call(self, x):
            return x

    own = Own()
    own(np.zeros((1, 4, 4, 3)))
    with pytest.raises(ValueError, match=r"takes a functional model.*Received: Own"):
        export.tflite(own, tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"cannot be changed.*image_size=8 for \(None, 16, 16, 3\)"):
        export.tflite(build_net(), tmp_path / "m.tflite", image_size=8)
    broken = build_net()
    broken.get_layer("stem_conv").kernel.assign(np.full(broken.get_layer("stem_conv").kernel.shape, np.nan))
    with pytest.raises(ValueError, match=r"NaN or infinity in .*stem_conv"):
        export.tflite(broken, tmp_path / "m.tflite")
    assert not os.listdir(tmp_path)


def test_saved_model_replaces_a_saved_model(model, images, tmp_path):
    for _ in range(2):
        export.saved_model(model, tmp_path / "m", images=images)
    assert sorted(os.listdir(tmp_path)) == ["m", "m.json"]
