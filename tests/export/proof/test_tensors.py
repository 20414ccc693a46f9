"""Each layer of a TFLite file is found by its tensor, and stands as far from Keras as its arithmetic says."""

import keras
import numpy as np
import pytest

from kres import export
from kres.export import formats
from kres.export.losses import EXACT_DB, decibels
from kres.export.post_training.layers import layer_errors
from kres.export.proof.tensors import layer_tensors
from kres.folding import folded
from kres.lowering import lower
from tests.export.calibrated import calibrated
from tests.export.test_networks import shortened

# float32 sums in another order: 24 bits are 144 dB, and a few hundred terms cost some of them.
EXACT_DECIBELS = 90


@pytest.fixture(scope="module")
def files(model, images, tmp_path_factory):
    """A float32 and an int8 file of the model."""
    directory = tmp_path_factory.mktemp("tensors")
    for name in (None, "int8"):
        calibration = images if name else None
        export.tflite(model, directory / f"{name}.tflite", quantization=name, calibration=calibration, images=images)
    return {"float32": directory / "None.tflite", "int8": directory / "int8.tflite"}


def test_every_layer_of_a_float32_file_is_exact(model, images, files):
    errors = export.tensor_errors(model, files["float32"], images[:4])
    # What a ReLU follows at once has no tensor of its own; the norms are folded into the convolutions.
    convs = {f"block{index}_{part}_conv" for index in (0, 1) for part in ("2", "shortcut")}
    others = {layer.name for layer in model.layers if isinstance(layer, keras.layers.ReLU | keras.layers.Dense)}
    assert {error.activation for error in errors} == convs | others | {model.layers[-2].name}
    assert min(error.snr_db for error in errors) > EXACT_DECIBELS


def test_layers_have_the_names_that_keep_float_takes(model, images, files):
    takes = lower(folded(model)).parts
    names = {name: [error.name for error in export.tensor_errors(model, files[name], images[:1])] for name in files}
    for found in names.values():
        assert set(found) <= set(takes) and len(set(found)) == len(found)
        # A convolution is called so whether a ReLU stands behind it or not, and a sum too.
        assert {"stem_conv", "block0_1_conv", "block0_2_conv"} <= set(found)
        assert not any(isinstance(model.get_layer(name), keras.layers.ReLU) for name in found)
    # The measure of the export, which rounds the input besides, and of the network's own layers, has the same.
    measured = {error.name for error in layer_errors(model, calibrated(model, images).quantized.twin, images[:1])}
    assert measured - set(takes) == {model.inputs[0].name} and measured & set(takes) == set(names["int8"])


def test_a_file_whose_norms_the_converter_folded_names_the_same_layers(build_net, images, tmp_path):
    """What stock conversion makes of the network as it is."""
    model = build_net(activation=None)
    path = tmp_path / "stock.tflite"
    formats.FORMATS["float32"].write(model, path, formats.Options())
    stock = {error.name for error in export.tensor_errors(model, path, images[:1])}
    formats.FORMATS["float32"].write(folded(model), path, formats.Options())
    assert stock == {error.name for error in export.tensor_errors(model, path, images[:1])}
    assert stock <= set(lower(folded(model)).parts)


def test_int8_loses_what_256_steps_lose(model, images, files):
    errors = export.tensor_errors(model, files["int8"], images[:4])
    assert len(errors) == len(export.tensor_errors(model, files["float32"], images[:1]))
    # A uniform error of half a step in 256 of a signal that fills a part of its range: between 20 and 55 dB.
    assert all(20 < error.snr_db < 55 for error in errors)


def test_the_layer_with_other_weights_is_found(model, images, files):
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    layer = other.get_layer("block1_2_conv")
    layer.kernel.assign(1.5 * layer.kernel)
    errors = export.tensor_errors(other, files["float32"], images[:4])
    found = {error.name: error.snr_db for error in errors}
    assert found["block1_2_conv"] < 20 < EXACT_DECIBELS < found["block1_shortcut_conv"]
    # It and what comes after it: the block's ReLU, the mean and the dense layer.
    assert sum(decibels < EXACT_DECIBELS for decibels in found.values()) == 4


@pytest.mark.parametrize("row", ["seresnet50", "resnet50_gn"])
def test_layers_of_several_operations(row, tmp_path):
    """Squeeze-and-excitation and group norms become many tensors, of which only the last is the layer's output."""
    model = shortened(row)
    images = np.random.default_rng(1).normal(size=(4, 32, 32, 3)).astype(np.float32)
    path = tmp_path / "m.tflite"
    export.tflite(model, path, images=images)
    errors = export.tensor_errors(model, path, images)
    assert len(errors) > 20 and min(error.snr_db for error in errors) > EXACT_DECIBELS


@pytest.mark.parametrize(("size", "strides"), [((9, 9), (4, 4)), ((4, 5), (3, 2)), ((9, 6), (2, 4)), ((5, 4), (1, 3))])
def test_layers_that_stride_for_a_later_one_are_compared_where_they_are_computed(size, strides, tmp_path):
    """Three rows of nine are every third or every fourth one: which, the file says."""
    layers = keras.layers
    image = keras.Input((*size, 3))
    x = layers.ReLU(name="relu")(layers.Conv2D(4, 3, padding="same", name="conv")(image))
    model = keras.Model(image, layers.Conv2D(2, 1, strides=strides, name="next")(x))
    images = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    export.tflite(model, tmp_path / "m.tflite", images=images)
    place = layer_tensors(model, tmp_path / "m.tflite")["relu"]
    assert place.shape == (1, *model.output.shape[1:3], 4)
    found = {error.name: error.snr_db for error in export.tensor_errors(model, tmp_path / "m.tflite", images)}
    assert found.keys() == {"conv", "next"} and min(found.values()) > EXACT_DECIBELS


def test_an_output_of_one_number_an_image(images, tmp_path):
    layers = keras.layers
    net = [layers.Input(images.shape[1:]), layers.Conv2D(4, 3, name="conv"), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*net, layers.Dense(1), layers.Reshape((), name="score")])
    assert model.outputs[0].shape == (None,)
    export.tflite(model, tmp_path / "m.tflite", images=images)
    found = {error.name: error.snr_db for error in export.tensor_errors(model, tmp_path / "m.tflite", images[:2])}
    assert {"conv", "score"} <= found.keys() and min(found.values()) > EXACT_DECIBELS


def test_an_output_that_no_layer_computes(images, tmp_path):
    image = keras.Input(images.shape[1:])
    first, second = (keras.layers.Conv2D(4, 1, name=name)(image) for name in ("first", "second"))
    model = keras.Model(image, first + second)
    export.tflite(model, tmp_path / "m.tflite", images=images)
    assert layer_tensors(model, tmp_path / "m.tflite").keys() == {"first", "second"}


def test_names_that_a_second_tracing_would_make(model, files, tmp_path):
    """`re_lu_1` is what the converter calls the layer `re_lu`, and another layer's name."""
    found = layer_tensors(model, files["float32"])
    relus = sorted(layer.name for layer in model.layers if isinstance(layer, keras.layers.ReLU))
    assert set(relus) <= set(found) and len({tensor.index for tensor in found.values()}) == len(found)
    assert all(tensor.shape == (1, *model.get_layer(name).output.shape[1:]) for name, tensor in found.items())


def test_decibels():
    assert decibels(100.0, 1.0) == pytest.approx(20)
    assert decibels(1.0, 0.0) == decibels(0.0, 0.0) == EXACT_DB
    assert decibels(0.0, 1.0) == decibels(1.0, np.inf) == decibels(1.0, np.nan) == -EXACT_DB


def test_what_has_no_layers(model, images, files, tmp_path):
    export.saved_model(model, tmp_path / "m", images=images)
    with pytest.raises(export.ArtifactError, match="only a TFLite file"):
        export.tensor_errors(model, tmp_path / "m", images)
    image = keras.Input((16, 16, 3))
    stranger = keras.Model(image, keras.layers.Flatten(name="flat")(keras.layers.Conv2D(2, 3, name="odd")(image)))
    with pytest.raises(export.ArtifactError, match="no tensor of this file"):
        export.tensor_errors(stranger, files["float32"], images)


def test_several_outputs_and_a_sequential_model(images, tmp_path):
    body = keras.Sequential(
        [keras.Input(images.shape[1:]), keras.layers.Conv2D(4, 3, name="conv"), keras.layers.ReLU()]
    )
    head = keras.layers.Conv2D(2, 1, name="head")(keras.layers.Conv2D(3, 3, name="middle")(body.outputs[0]))
    fork = keras.Model(body.inputs[0], [body.outputs[0], head])
    for model in (body, fork):
        export.tflite(model, tmp_path / "m.tflite", images=images)
        errors = export.tensor_errors(model, tmp_path / "m.tflite", images[:2])
        assert errors and min(error.snr_db for error in errors) > EXACT_DECIBELS
