"""From pixels to a network's input: arrays, tf.data and layers, on each backend."""

import dataclasses
from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf

import kres
from kres.preprocessing import PRESETS
from tests.kernels.subprocesses import run_python
from tests.support import skip_or_fail

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype("uint8")
IMAGES = np.random.default_rng(1).integers(0, 256, (2, 40, 29, 3)).astype("uint8")
PREPROCESS = kres.Preprocess(size=16, **{**PRESETS["caffe"], "interpolation": "bicubic"})


def layered(preprocess, channels=3, **options):
    """A model of the layer alone, for images of unknown size."""
    images = keras.Input((None, None, channels), dtype="uint8")
    return keras.Model(images, kres.PreprocessLayer(preprocess, **options)(images))


def in_tf_data(preprocess, images):
    return np.stack(list(tf.data.Dataset.from_tensor_slices(images).map(preprocess.image_to_input).as_numpy_iterator()))


@pytest.mark.parametrize(
    ("name", "mode"), [("resnet50", "torch"), ("keras_resnet50", "caffe"), ("keras_resnet50v2", "tf")]
)
def test_the_arithmetic_is_keras_applications(name, mode):
    preprocess = kres.preprocess(kres.build(name, include_top=False))
    theirs = keras.applications.imagenet_utils.preprocess_input(PIXELS.astype("float32"), mode=mode)
    # float32 rounding of values up to 255
    np.testing.assert_allclose(keras.ops.convert_to_numpy(preprocess(PIXELS)), theirs, atol=2e-5)


def test_numpy_and_tensorflow_agree_bit_for_bit():
    preprocess = kres.Preprocess(size=4, **PRESETS["torch"])
    inside = next(iter(tf.data.Dataset.from_tensors(PIXELS).map(preprocess)))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(preprocess(PIXELS)), inside.numpy())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"size": 4.5}, "size=4.5"),
        ({"size": float("nan")}, "size=nan"),
        ({"size": True}, "size=True"),
        ({"mean": (0.5, float("nan"), 0.5)}, "finite"),
        ({"crop": 0.0}, "crop=0.0"),
        ({"crop": 1.5}, "crop=1.5"),
        ({"crop": float("nan")}, "crop=nan"),
        ({"crop": "0.9"}, "crop='0.9'"),
        ({"std": (1.0, 0.0, 1.0)}, "std"),
        ({"mean": (0.5,)}, "one value a channel"),
        ({"interpolation": "cubic"}, "cubic"),
        ({"order": "gbr"}, "gbr"),
    ],
)
def test_an_impossible_field_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        kres.Preprocess(**{"size": 4, **PRESETS["torch"], **fields})


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels_are_refused(channels):
    """One channel would else be spread over three without a word."""
    with pytest.raises(ValueError, match=rf"3 channels.*4, {channels}\)"):
        kres.Preprocess(size=4, **PRESETS["torch"])(np.zeros((2, 4, 4, channels), "uint8"))


def test_a_tensor_that_does_not_know_its_shape_yet():
    preprocess = kres.Preprocess(size=4, **PRESETS["torch"])
    function = tf.function(preprocess, input_signature=[tf.TensorSpec(None, tf.uint8)])
    np.testing.assert_array_equal(function(PIXELS), preprocess(PIXELS))


def test_every_row_names_a_preset():
    assert {kres.spec(name).preset for name in kres.list_models()} <= set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_layer_and_tf_data_agree_bit_for_bit(preset, interpolation):
    preprocess = kres.Preprocess(size=16, **{**PRESETS[preset], "interpolation": interpolation})
    expected = in_tf_data(preprocess, IMAGES)
    assert expected.shape == (2, 16, 16, 3) and expected.dtype == np.float32
    np.testing.assert_array_equal(kres.PreprocessLayer(preprocess)(IMAGES), expected)
    np.testing.assert_array_equal(layered(preprocess).predict(IMAGES, verbose=0), expected)
    np.testing.assert_array_equal(preprocess(np.stack([preprocess.image_to_square(i) for i in IMAGES])), expected)


def test_a_compiler_changes_no_bit():
    compiled = tf.function(layered(PREPROCESS), jit_compile=True)
    np.testing.assert_array_equal(compiled(IMAGES), in_tf_data(PREPROCESS, IMAGES))


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_than_three(channels):
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 33, channels)).astype("uint8")
    preprocess = kres.Preprocess(size=8, mean=(0.4,) * channels, std=(0.2,) * channels)
    np.testing.assert_array_equal(layered(preprocess, channels)(images), in_tf_data(preprocess, images))


SCRIPT = """
import keras, numpy as np, kres
assert keras.backend.backend() == {backend!r}
preprocess = kres.Preprocess(size=16, **{fields!r})
images = np.random.default_rng(1).integers(0, 256, (2, 40, 29, 3)).astype("uint8")
model = keras.Sequential([keras.Input((None, None, 3), dtype="uint8"), kres.PreprocessLayer(preprocess)])
for found in (model.predict(images, verbose=0), keras.ops.convert_to_numpy(kres.PreprocessLayer(preprocess)(images))):
    np.testing.assert_array_equal(found, np.stack([preprocess.image_to_input(image) for image in images]))
print(found.tobytes().hex())
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_backend_gives_the_same_bits(backend):
    if find_spec(backend) is None:
        skip_or_fail(f"{backend} is not installed")
    fields = {key: value for key, value in PREPROCESS.to_dict().items() if key != "size"}
    found = run_python(SCRIPT.format(backend=backend, fields=fields), KERAS_BACKEND=backend)
    assert found == in_tf_data(PREPROCESS, IMAGES).tobytes().hex()


def test_floats_are_rounded_to_grey_levels():
    noise = np.random.default_rng(2).uniform(-0.49, 0.49, IMAGES.shape)
    images = (IMAGES + noise).astype("float32")
    expected = in_tf_data(PREPROCESS, IMAGES)
    np.testing.assert_array_equal(in_tf_data(PREPROCESS, images), expected)
    np.testing.assert_array_equal(kres.PreprocessLayer(PREPROCESS)(images), expected)


def test_a_network_with_its_preprocessing_in_front_is_saved_with_it(tmp_path):
    spec = dataclasses.replace(kres.spec("cifar_resnet20"), depths=(1,), widths=(8,), params=None)
    network = kres.build(spec, input_shape=(16, 16, 3), classes=3, preprocess=PREPROCESS)
    images = keras.Input((None, None, 3), dtype="uint8")
    whole = keras.Model(images, network(kres.PreprocessLayer(kres.preprocess(network))(images)))
    whole.save(tmp_path / "whole.keras")
    loaded = keras.saving.load_model(tmp_path / "whole.keras")
    assert loaded.layers[1].preprocess == PREPROCESS
    answers = network(in_tf_data(PREPROCESS, IMAGES))
    # The batch is the same one, so not even the order of the sums differs.
    np.testing.assert_array_equal(loaded(IMAGES), answers)


def test_the_layer_puts_out_its_compute_dtype():
    layer = kres.PreprocessLayer(PREPROCESS, dtype="mixed_bfloat16")
    assert layer(IMAGES).dtype == layer(keras.Input((40, 29, 3), dtype="uint8")).dtype == "bfloat16"


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_rounds_the_result_alone(dtype):
    exact = kres.PreprocessLayer(PREPROCESS)(IMAGES.astype("float32"))
    layer = kres.PreprocessLayer(PREPROCESS, dtype=dtype)
    found = layer(IMAGES.astype("float32"))
    np.testing.assert_array_equal(found, keras.ops.cast(exact, layer.compute_dtype))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8, 3), "int32"), "uint8, or floats.* Received: images of dtype int32"),
        (np.zeros((8, 8, 3), "bool"), "dtype bool"),
        (np.zeros((8, 8, 1), "uint8"), r"3 channels.*\(8, 8, 1\)"),
        (np.zeros((0, 8, 3), "uint8"), r"at least one pixel.*\(0, 8, 3\)"),
        (np.zeros((8, 8), "uint8"), r"\(h, w, c\).*\(8, 8\)"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        PREPROCESS.image_to_input(image)
    with pytest.raises(
        ValueError, match=message.replace(r"\(h", r"\(n, h").replace(r"\(8", r"\(2, 8").replace(r"\(0", r"\(2, 0")
    ):
        kres.PreprocessLayer(PREPROCESS)(np.stack([image, image]))


def test_wrong_images_are_refused_before_there_is_one():
    with pytest.raises(ValueError, match=r"3 channels.*\(None, None, None, 1\)"):
        layered(PREPROCESS, channels=1)
    with pytest.raises(ValueError, match="dtype int32"):
        kres.PreprocessLayer(PREPROCESS)(keras.Input((None, None, 3), dtype="int32"))
    with pytest.raises(ValueError, match="Received: preprocess='torch'"):
        kres.PreprocessLayer("torch")


def test_a_graph_that_knew_nothing_refuses_when_the_image_comes():
    blind = tf.function(PREPROCESS.image_to_input, input_signature=[tf.TensorSpec(None, tf.uint8)])
    assert blind(IMAGES[0]).shape == (16, 16, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[40,29,1\]"):
        blind(IMAGES[0, ..., :1])
