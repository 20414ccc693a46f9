"""Input and output are of the type that was asked for, in the file itself, or there is no file."""

import dataclasses
import os

import keras
import numpy as np
import pytest

import kres
from kres import export
from kres.export.files.interfaces import interface
from kres.export.formats import FORMATS
from kres.export.post_training.units import Units
from kres.export.proof import verification
from kres.lowering import lower
from kres.preprocessing import Preprocess
from kres.quantization import observe_ranges, quantized_twin

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
ALIKE = Preprocess(size=16, mean=(0.5,) * 3, std=(0.25,) * 3)


def network(**options):
    spec = kres.Spec(block="basic", depths=(1,), widths=(8,), stem="cifar")
    keras.utils.set_random_seed(0)
    return kres.build(spec, classes=5, input_shape=(16, 16, 3), preprocess=ALIKE, **options)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (("stem_conv",), r"io='int8', and in float32 the input '\w+', read by 'stem_conv'"),
        (("block*_conv", "predictions"), "io='int8', and in float32 the output of 'predictions'"),
    ],
)
def test_a_layer_at_the_edge_in_float32_takes_no_integers(model, images, tmp_path, kept, words):
    given = {"quantization": "int8", "calibration": images, "keep_float": kept}
    with pytest.raises(ValueError, match=words):
        export.tflite(model, tmp_path / "m.tflite", io="int8", **given)
    assert not os.listdir(tmp_path)


def test_layers_in_float32_between_integers(model, images, tmp_path):
    kept = {"quantization": "int8", "calibration": images, "keep_float": "block0_*"}
    tensors = interface(export.tflite(model, tmp_path / "m.tflite", io="int8", **kept).path)
    assert [tensor.dtype for tensor in (*tensors.inputs, *tensors.outputs)] == ["int8", "int8"]


def test_raw_pixels_in_float32_are_no_bytes(tmp_path):
    with pytest.raises(ValueError, match="the input 'kres_pixels', read by 'kres_normalise'"):
        export.tflite(
            network(),
            tmp_path / "m.tflite",
            quantization="int8",
            calibration=PIXELS,
            io="uint8",
            keep_float="kres_normalise",
        )
    assert not os.listdir(tmp_path)


def test_a_twin_of_ones_own_with_such_a_layer(model, images, tmp_path):
    twin = quantized_twin(model, keep_float="stem_conv")
    observe_ranges(twin, [images])
    with pytest.raises(ValueError, match="read by 'stem_conv'"):
        export.tflite(twin, tmp_path / "m.tflite", quantization="int8", io="uint8", pixels=False)
    assert export.tflite(twin, tmp_path / "m.tflite", quantization="int8", images=images).format == "int8"


@pytest.mark.parametrize("flat", [False, True])
def test_edges_are_found_through_what_only_moves_values(flat):
    layers = keras.layers
    x = image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="first")(layers.ZeroPadding2D()(x) if flat else x)
    y = layers.Conv2D(4, 3, name="side")(image)
    x = layers.Conv2D(4, 1, name="second", activation="relu")(x)
    outputs = {"a": layers.Flatten()(x) if flat else x, "b": y}
    assert Units(lower(keras.Model(image, outputs))).edges() == {"first", "side", "second"}


def test_a_converter_that_drops_the_type_is_found(model, images, tmp_path, monkeypatch):
    row = FORMATS["int8"]
    deaf = dataclasses.replace(
        row, write=lambda model, path, options: row.write(model, path, dataclasses.replace(options, io="float32"))
    )
    monkeypatch.setitem(FORMATS, "int8", deaf)
    with pytest.raises(export.RejectedError, match=r"the input 'image' is float32, the output .* and int8 was asked"):
        export.tflite(model, tmp_path / "m.tflite", quantization="int8", calibration=images, io="int8")
    assert sorted(os.listdir(tmp_path)) == ["m.tflite.rejected", "m.tflite.rejected.json"]


def test_grey_levels_are_made_once_for_all_formats(tmp_path, monkeypatch):
    model, made, to_pixels = network(), [], verification.to_pixels
    monkeypatch.setattr(
        verification, "to_pixels", lambda images, how: made.append(len(images)) or to_pixels(images, how)
    )
    expected = export.reference(model, PIXELS)
    request = export.Request(pixels=True)
    reports = export.export_all(model, tmp_path / "new", ["float32", "float16"], expected=expected, request=request)
    assert all(report.passed for report in reports) and made == [len(PIXELS)]
