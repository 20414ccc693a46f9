"""What a model goes through before it is written: float32, one size, folded norms, names of its outputs."""

import keras
import numpy as np
import pytest

import kres
from kres import export
from kres.export.conversion import models
from kres.preprocessing import Preprocess

SPEC = kres.Spec(block="basic", depths=(1, 1), widths=(8, 16), stem="cifar")


@pytest.fixture
def mixed():
    """Layers are made under mixed precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


def test_models_within_a_model_are_float32_too(mixed, images):
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    inner = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(8, 3), layers.BatchNormalization()])
    score = layers.Dense(4, dtype="float32")(layers.GlobalAveragePooling2D()(inner(image) + 0.5))
    model = keras.Model(image, score)
    twin = models.float32_twin(model)
    assert twin.get_layer(inner.name).layers[0].compute_dtype == "float32"
    assert models.float32_twin(twin) is twin
    difference = np.abs(twin(images) - model(images)).max()
    assert 1e-6 < difference < 1e-2  # float16's rounding, and no more


def test_folding_keeps_what_the_model_computes(model, images):
    folded = models.without_norms(model)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)
    # float32 rounding of seven convolutions.
    np.testing.assert_allclose(folded(images), model(images), atol=1e-5)
    assert models.without_norms(folded) is folded


def test_a_layer_that_cannot_be_copied_is_exported_unfolded(images, tmp_path):
    class Scale(keras.layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, x):
            return x * self.factor

    image = keras.Input((16, 16, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(image))
    model = keras.Model(image, Scale(2.0)(x))
    assert models.without_norms(model) is model
    assert export.tflite(model, tmp_path / "m.tflite", images=images).passed


@pytest.mark.parametrize("kind", ["kres", "stock"])
def test_a_model_of_any_size_gets_the_one_that_is_asked_for(kind, images, tmp_path):
    if kind == "kres":
        preprocess = Preprocess(size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
        model = kres.build(SPEC, classes=5, input_shape=(None, None, 3), preprocess=preprocess)
    else:
        image = keras.Input((None, None, 3))
        model = keras.Model(image, keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(5, 3)(image)))
    report = export.tflite(model, tmp_path / "m.tflite", images=images, image_size=16)
    assert report.max_difference < 1e-4
    sized = models.sized(model, 16)
    assert sized.input_shape == (None, 16, 16, 3) and models.sized(sized, 16) is sized
    np.testing.assert_allclose(sized(images), model(images), atol=1e-6)
    if kind == "kres":
        assert kres.preprocess(sized).size == 16 and isinstance(sized, kres.ResNet)
    assert export.verify(model, tmp_path / "m.tflite", images, image_size=16).passed
    with pytest.raises(ValueError, match="--image-size"):
        export.verify(model, tmp_path / "m.tflite", images)


@pytest.mark.parametrize("shape", [list, dict])
def test_several_outputs_of_one_shape_keep_their_order(shape, images, tmp_path):
    image = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3)(image))
    first, second = (keras.layers.Dense(4, name=name)(x) for name in ("z", "a"))
    model = keras.Model(image, [first, second] if shape is list else {"z": first, "a": second})
    names = ["saved_model", "float32", "onnx"]
    reports = export.export_all(model, tmp_path, names, expected=export.reference(model, images[:4]))
    # Were two outputs exchanged, the difference would be as large as they are.
    assert {report.format: report.reason for report in reports} == dict.fromkeys(names, "")
    wrong = keras.Model(image, [second, first] if shape is list else {"a": first, "z": second})
    assert "differ" in export.verify(wrong, reports[1].path, images[:4]).reason


def test_an_output_less_is_another_model(model, images, tmp_path):
    export.tflite(model, tmp_path / "m.tflite", images=images)
    two = keras.Model(model.input, [model.output, model.output + 1.0])
    with pytest.raises(export.ArtifactError, match="belongs to another model"):
        export.verify(two, tmp_path / "m.tflite", images)
