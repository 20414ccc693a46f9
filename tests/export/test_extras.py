"""Formats that take an optional dependency: without it they say what to install; and what ONNX files are."""

import os

import keras
import numpy as np
import pytest

from kres import export
from kres.export import extras
from kres.export.files.inspection import artifact_format, inspect


@pytest.fixture
def bare(monkeypatch):
    """An installation without any extra."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None)


def test_without_extras_the_others_are_still_made(bare):
    names, skipped = export.makeable()
    assert names == ["saved_model", "float32", "float16", "dynamic", "int8", "int16x8"]
    assert set(skipped) == {"weight_int8", "weight_int4", "onnx"}
    assert "ai_edge_quantizer" in skipped["weight_int4"] and "kres[quantizer]" in skipped["weight_int4"]


def test_a_missing_extra_is_named_before_the_work(bare, model, tmp_path):
    with pytest.raises(export.MissingExtraError, match=r"weight_int8 cannot .* pip install 'kres\[quantizer\]'"):
        export.tflite(model, tmp_path / "m.tflite", quantization="weight_int8")
    with pytest.raises(export.MissingExtraError, match=r"kres\[onnx\]"):
        export.onnx(model, tmp_path / "m.onnx")
    with pytest.raises(export.MissingExtraError, match=r"kres\[onnx\]"):
        export.export_all(model, tmp_path, ["float32", "onnx"])
    assert not os.listdir(tmp_path)


def test_onnx_takes_any_batch_and_has_names(model, images, tmp_path, monkeypatch):
    import onnxruntime

    report = export.onnx(model, tmp_path / "m.onnx", images=images)
    assert report.passed and report.format == artifact_format(report.path) == "onnx"
    session = onnxruntime.InferenceSession(report.path, providers=["CPUExecutionProvider"])
    (answer,) = session.run(["output"], {"image": images[:5]})
    # The same float32 arithmetic in another runtime, in another order.
    np.testing.assert_allclose(answer, model(images[:5]), atol=1e-5)
    operators = inspect(report.path).operators
    assert operators["BatchNormalization"] == 0 and operators["Conv"] == 7
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(export.MissingExtraError, match=r"kres\[onnx\]"):
        export.verify(model, report.path, images)


def test_a_damaged_onnx_file(model, images, tmp_path):
    content = (export.onnx(model, tmp_path / "m.onnx", images=images), (tmp_path / "m.onnx").read_bytes())[1]
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(export.ArtifactError, match="damaged ONNX file"):
        export.verify(model, tmp_path / "cut.onnx", images)


def test_an_operation_that_onnx_does_not_have_is_named(tmp_path):
    class Determinant(keras.layers.Layer):
        def call(self, x):
            import tensorflow as tf

            return tf.linalg.slogdet(tf.eye(3) * (1 + tf.abs(x[..., None])))[1]

    image = keras.Input((4, 4, 3))
    model = keras.Model(image, keras.layers.Flatten()(Determinant(name="odd_one")(image)))
    with pytest.raises(ValueError, match=r"LogMatrixDeterminant.*odd_one"):
        export.onnx(model, tmp_path / "m.onnx", images=np.ones((1, 4, 4, 3), np.float32))
    assert os.listdir(tmp_path) == ["m.onnx.rejected.json"]  # the report alone
