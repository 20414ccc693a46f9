"""Normalisation inside the graph: the same answers from raw pixels, at the border too; bytes go in unchanged."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest

import kres
from kres import export
from kres.export.conversion.pixels import pinned, takes_pixels, to_pixels
from kres.export.files.inspection import inspect
from kres.export.runtimes.session import opened
from kres.preprocessing import PRESETS, Preprocess

MEAN, STD = (0.3, 0.5, 0.7), (0.2, 0.3, 0.4)


def preprocess(*, order="rgb", size=16):
    return Preprocess(size=size, mean=MEAN, std=STD, order=order)


def grey_levels(*shape, low=0, high=256):
    return np.random.default_rng(0).integers(low, high, shape, np.uint8)


@pytest.fixture(scope="module")
def network():
    """A network of kres that knows its preprocessing, for (n, 16, 16, 3)."""
    spec = kres.Spec(block="basic", depths=(1, 1), widths=(8, 16), stem="cifar")
    keras.utils.set_random_seed(0)
    return kres.build(spec, classes=5, input_shape=(16, 16, 3), preprocess=preprocess(), name="small")


@pytest.fixture(scope="module")
def uint8(network, tmp_path_factory):
    """Its uint8 file, calibrated on pictures that are neither black nor white anywhere."""
    path = tmp_path_factory.mktemp("uint8") / "m.tflite"
    pixels = grey_levels(64, 16, 16, 3, low=20, high=230)
    assert export.tflite(network, path, quantization="int8", calibration=pixels, io="uint8").passed
    return path


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("strides", [1, 2])
def test_the_border_is_padded_with_normalised_zeros(order, strides):
    """The whole map is compared: with the mean folded into the convolution it would be wrong wherever that pads."""
    image = keras.Input((16, 16, 3))
    layer = keras.layers.Conv2D(4, 7, strides=strides, padding="same")
    model = keras.Model(image, layer(image))
    normalise, pixels = preprocess(order=order), grey_levels(4, 16, 16, 3)
    expected = np.asarray(model(normalise(pixels)))
    # A product and a sum, not a difference and a product: values up to 4 round once more, and 147 of them are summed.
    found = np.asarray(export.with_pixels(model, normalise)(pixels.astype(np.float32)))
    np.testing.assert_allclose(found, expected, atol=1e-5)

    raw = (pixels[..., ::-1] if order == "bgr" else pixels).astype(np.float32)
    kernel = (layer.kernel.numpy() / (255 * np.array(STD))[:, None]).astype(np.float32)
    bias = -np.einsum("hwio,i->o", kernel, 255 * np.array(MEAN)).astype(np.float32)
    folded = np.asarray(keras.ops.conv(raw, kernel, strides=strides, padding="same")) + bias
    inside = np.s_[:, 3:-3, 3:-3] if strides == 1 else np.s_[:, 1:-2, 1:-2]
    np.testing.assert_allclose(folded[inside], expected[inside], atol=1e-4)
    assert np.abs(folded - expected).max() > 0.1


@pytest.mark.parametrize("preset", ["torch", "caffe"])
@pytest.mark.parametrize("row", ["resnet18", "resnet50d", "resnetv2_50x1_bit", "cifar_resnet20"])
def test_networks_of_the_zoo(row, preset):
    # Group norms over a few numbers can divide by very little, and a rounding grows as they do.
    keras.utils.set_random_seed(0)
    spec = kres.spec(row)
    widths = tuple(8 * 2**stage for stage in range(len(spec.depths)))
    spec = dataclasses.replace(spec, depths=(1,) * len(spec.depths), widths=widths, params=None)
    normalise = Preprocess(size=32, **PRESETS[preset])
    model = kres.build(spec, input_shape=(32, 32, 3), classes=7, preprocess=normalise, classifier_activation=None)
    pixels = grey_levels(2, 32, 32, 3)
    expected = np.asarray(model(normalise(pixels)))
    found = export.with_pixels(model, normalise)
    # float32 through ten layers or so; a ReLU that flips at such a difference moves as little.
    difference = np.abs(np.asarray(found(pixels.astype(np.float32))) - expected).max()
    assert difference < 1e-4 * np.abs(expected).max()
    assert [layer.name for layer in found.layers[1:]] == ["kres_normalise"] + [layer.name for layer in model.layers[1:]]


def test_outputs_keep_their_structure(network):
    pyramid = kres.features(network, levels=(1, 2))
    pixels = grey_levels(2, 16, 16, 3)
    found = export.with_pixels(pyramid, preprocess())(pixels.astype(np.float32))
    for level, expected in pyramid(preprocess()(pixels)).items():
        np.testing.assert_allclose(found[level], expected, atol=1e-4)


def test_raw_bytes_go_into_the_file_unchanged(network, uint8):
    """Scale 1 and zero point 0, though no calibration picture was black or white anywhere."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(uint8))
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    assert source["dtype"] is np.uint8 and source["quantization"] == (1.0, 0)
    (target,) = interpreter.get_output_details()
    pixels = grey_levels(32, 16, 16, 3)
    answers = []
    for image in pixels:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(target["index"])[0].copy() / 256)
    # Probabilities of 256 steps, after five layers of int8.
    np.testing.assert_allclose(answers, network(preprocess()(pixels)), atol=0.05)
    with opened(uint8) as session:
        np.testing.assert_allclose(session.answer(pixels[0]), answers[0], atol=1e-6)


def test_layers_are_tapped_and_the_model_is_left_alone(network):
    found = export.with_pixels(network, preprocess())
    pixels = grey_levels(2, 16, 16, 3)
    for name in ("stem_conv1", "stage2_out"):
        taps = [keras.Model(model.inputs[0], model.get_layer(name).output) for model in (network, found)]
        expected, answer = taps[0](preprocess()(pixels)), taps[1](pixels.astype(np.float32))
        np.testing.assert_allclose(answer, expected, atol=1e-4)
    before = np.asarray(network(preprocess()(pixels)))
    found.set_weights([0 * weight for weight in found.get_weights()])
    np.testing.assert_allclose(network(preprocess()(pixels)), before, atol=1e-6)


@pytest.mark.parametrize("kind", ["sequential", "nested", "grey"])
def test_models_of_others(kind, model):
    layers = keras.layers
    if kind == "nested":
        image = keras.Input((16, 16, 3))
        model = keras.Model(image, layers.Dense(2)(model(image)))
    elif kind == "sequential":
        model = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(2, 3, padding="same"), layers.Flatten()])
    else:
        model = keras.Sequential([keras.Input((16, 16, 1)), layers.Conv2D(2, 3, padding="same"), layers.Flatten()])
    channels = model.input_shape[-1]
    normalise = preprocess().for_channels(channels)
    pixels = grey_levels(2, 16, 16, channels)
    found = export.with_pixels(model, normalise)(pixels.astype(np.float32))
    np.testing.assert_allclose(found, model(normalise(pixels)), atol=1e-4)


def test_a_model_may_have_layers_of_any_name(images, tmp_path):
    """Its own input called `pixels` does not make a file one of raw pixels, either."""
    layers = keras.layers
    x = image = keras.Input((16, 16, 3), name="pixels")
    x = layers.Conv2D(4, 3, name="normalise")(x)
    x = layers.Flatten(name="image")(layers.ReLU(name="kres")(x))
    model = keras.Model(image, layers.Dense(3, name="output")(x))
    assert not takes_pixels(export.saved_model(model, tmp_path / "m", images=images).path)
    pixels = grey_levels(32, 16, 16, 3)
    options = {"quantization": "int8", "calibration": pixels, "io": "uint8", "preprocess": preprocess()}
    report = export.tflite(model, tmp_path / "m.tflite", **options)
    assert report.passed and takes_pixels(report.path)
    with pytest.raises(ValueError, match="takes raw pixels already"):
        export.with_pixels(export.with_pixels(model, preprocess()), preprocess())


def test_a_file_of_pixels_is_as_exact_as_one_of_normalised_input(network, tmp_path):
    """The int8 normalisation rounds to the grid that the input of the other file is rounded to, and no more often."""
    pixels = grey_levels(64, 16, 16, 3)
    differences = {}
    for raw in (False, True):
        path = tmp_path / f"{raw}.tflite"
        report = export.tflite(network, path, quantization="int8", calibration=pixels, pixels=raw)
        differences[raw] = report.mean_difference
        assert takes_pixels(path) is raw
    assert differences[True] < 1.2 * differences[False]


def test_pixels_cost_one_convolution(network, tmp_path):
    operators = {}
    for raw in (False, True):
        operators[raw] = inspect(export.tflite(network, tmp_path / f"{raw}.tflite", pixels=raw).path).operators
    assert operators[True] - operators[False] == {"CONV_2D": 1} and not operators[False] - operators[True]


@pytest.mark.parametrize("images", ["uint8", "normalised", "random"])
def test_images_of_each_kind_prove_a_file_of_pixels(network, images, tmp_path):
    pixels = grey_levels(40, 16, 16, 3)
    given = {"uint8": pixels, "normalised": np.asarray(preprocess()(pixels)), "random": None}[images]
    report = export.tflite(network, tmp_path / "m.tflite", images=given, pixels=True)
    assert report.passed and takes_pixels(report.path)
    assert export.verify(network, report.path, pixels).max_difference < 1e-5
    report = export.saved_model(network, tmp_path / "m", images=given, pixels=True)
    # Taken elsewhere without the JSON beside it, it still says so.
    moved = shutil.move(report.path, tmp_path / "moved")
    assert takes_pixels(moved) and export.verify(network, moved, pixels).passed


def test_a_file_of_pixels_of_another_network_is_found(network, tmp_path):
    path = tmp_path / "m.tflite"
    export.tflite(network, path, pixels=True)
    network_of_other_normalisation = kres.build(
        network.network, classes=5, input_shape=(16, 16, 3), preprocess=preprocess(order="bgr")
    )
    network_of_other_normalisation.set_weights(network.get_weights())
    report = export.verify(network_of_other_normalisation, path, grey_levels(40, 16, 16, 3))
    assert not report.passed and "logits differ" in report.reason


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_every_grey_level_comes_back(order):
    pixels = np.arange(256, dtype=np.uint8)[:, None, None, None] * np.array([1, 3, 7], np.uint8)
    normalise = preprocess(order=order)
    np.testing.assert_array_equal(to_pixels(np.asarray(normalise(pixels)), normalise), pixels)


def test_calibration_reaches_black_and_white():
    pixels = grey_levels(2, 4, 4, 3, low=5, high=250).astype(np.float32)
    found = pinned(pixels)
    assert (found.min(), found.max()) == (0, 255) and (found != pixels).sum() == 2
    np.testing.assert_array_equal(pinned(found), found)
    assert set(pinned(np.full((1, 2, 2, 3), 7, np.float32)).flat) == {0, 7, 255}


def test_what_cannot_be(network, model, tmp_path):
    path, pixels = tmp_path / "m.tflite", grey_levels(40, 16, 16, 3)
    normalised = np.asarray(preprocess()(pixels))
    with pytest.raises(ValueError, match=r"whole grey levels.*Received: a value of grey level"):
        export.tflite(network, path, images=normalised + 0.003, pixels=True)
    with pytest.raises(ValueError, match="whole grey levels"):
        export.tflite(network, path, quantization="int8", calibration=normalised * 2, io="uint8")
    # A plain Keras model does not know how its images were normalised.
    with pytest.raises(ValueError, match="pass preprocess="):
        export.tflite(model, path, quantization="int8", calibration=normalised, io="uint8")
    with pytest.raises(ValueError, match="for 1 channels"):
        export.with_pixels(model, Preprocess(size=16, mean=(0.5,), std=(0.5,)))
    assert not list(tmp_path.iterdir())
    assert export.tflite(model, path, images=normalised, pixels=True, preprocess=preprocess()).passed
    with pytest.raises(ValueError, match="pass preprocess="):
        export.verify(model, path, normalised)
