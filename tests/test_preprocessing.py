"""From pixels to a network's input."""

import keras
import numpy as np
import pytest

import kres
from kres.preprocessing import PRESETS

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype("uint8")


@pytest.mark.parametrize(
    ("name", "mode"), [("resnet50", "torch"), ("keras_resnet50", "caffe"), ("keras_resnet50v2", "tf")]
)
def test_the_arithmetic_is_keras_applications(name, mode):
    preprocess = kres.preprocess(kres.build(name, include_top=False))
    theirs = keras.applications.imagenet_utils.preprocess_input(PIXELS.astype("float32"), mode=mode)
    # float32 rounding of values up to 255
    np.testing.assert_allclose(keras.ops.convert_to_numpy(preprocess(PIXELS)), theirs, atol=2e-5)


def test_numpy_and_tensorflow_agree_bit_for_bit():
    import tensorflow as tf

    preprocess = kres.Preprocess(size=4, **PRESETS["torch"])
    inside = next(iter(tf.data.Dataset.from_tensors(PIXELS).map(preprocess)))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(preprocess(PIXELS)), inside.numpy())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"size": 4.5}, "size=4.5"),
        ({"mean": (0.5, float("nan"), 0.5)}, "finite"),
        ({"crop": 0.0}, "crop=0.0"),
        ({"crop": 1.5}, "crop=1.5"),
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
    import tensorflow as tf

    preprocess = kres.Preprocess(size=4, **PRESETS["torch"])
    function = tf.function(preprocess, input_signature=[tf.TensorSpec(None, tf.uint8)])
    np.testing.assert_array_equal(function(PIXELS), preprocess(PIXELS))


def test_every_row_names_a_preset():
    assert {kres.spec(name).preset for name in kres.list_models()} <= set(PRESETS)
