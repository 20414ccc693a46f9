"""What is said of images that cannot calibrate a network, and of those that perhaps should not."""

import keras
import numpy as np
import pytest

import kres
from kres.export.post_training.representative import check_representative, wrong_scale
from kres.preprocessing import PRESETS, Preprocess


@pytest.fixture(scope="module")
def pixels():
    """Images (128, 16, 16, 3) of 0..255, no two alike."""
    return np.random.default_rng(0).integers(0, 256, (128, 16, 16, 3)).astype(np.float32)


def network(*first, **preset):
    """A model on (n, 16, 16, 3) that begins with the layers `first` and, if it has a `preset`, a `preprocess`."""
    model = keras.Sequential([keras.Input((16, 16, 3)), *first, keras.layers.GlobalAveragePooling2D()])
    if preset:
        model.preprocess = Preprocess(size=16, **preset)
    return model


@pytest.mark.parametrize("name", PRESETS)
def test_images_of_its_own_preprocessing_pass_in_silence(name, pixels, caplog):
    model = network(**PRESETS[name])
    check_representative(np.asarray(model.preprocess(pixels)), model)
    assert not caplog.records


def test_dark_and_bright_and_random_images_pass(pixels):
    model = network(**PRESETS["torch"])
    for image in (pixels / 4, 200 + pixels / 5):
        assert not wrong_scale(np.asarray(model.preprocess(image)), model)
    assert not wrong_scale(np.random.default_rng(0).normal(size=pixels.shape), model)


@pytest.mark.parametrize(
    ("name", "scale", "words"),
    [
        ("torch", 1.0, "span 0 to 255 where pixels of 0..255 become -2.12 to 2.64"),
        ("torch", 1 / 255, "span 0 to 1 where pixels of 0..255 become -2.12 to 2.64"),
        ("tf", 1.0, "span 0 to 255 where pixels of 0..255 become -1 to 1"),
        ("tf", 1 / 255, "span 0 to 1 where"),
        ("caffe", 1 / 255, "span 0 to 1 where pixels of 0..255 become -124 to 151"),
        ("caffe", 1.0, "span 0 to 255 where"),
    ],
)
def test_wrong_scale_is_warned_of(name, scale, words, pixels, caplog):
    check_representative(scale * pixels, network(**PRESETS[name]))
    assert "wrongly scaled" in caplog.text and words in caplog.text


def test_normalised_images_for_a_network_that_takes_pixels(pixels):
    model = network(mean=(0.0,) * 3, std=(1 / 255,) * 3)
    assert not wrong_scale(pixels, model)
    assert "span 0 to 1 where pixels of 0..255 become 0 to 255" in wrong_scale(pixels / 255, model)


def test_pixels_for_a_network_that_does_not_say_what_it_takes(pixels):
    assert "whole numbers" in wrong_scale(pixels, network())
    assert not wrong_scale(pixels, network(keras.layers.Rescaling(1 / 255)))
    assert not wrong_scale(pixels / 255, network())
    assert not wrong_scale(pixels - 120.5, network())


def test_few_images_are_refused_or_warned_of(pixels, caplog):
    model = network(mean=(0.0,) * 3, std=(1 / 255,) * 3)
    with pytest.raises(ValueError, match=r"at least 16 images, and better 100.*Received: 15"):
        check_representative(pixels[:15], model)
    check_representative(pixels[:100], model)
    assert not caplog.records
    check_representative(pixels[:99], model)
    assert "99 calibration images are few" in caplog.text


def test_images_without_content_are_refused_or_warned_of(pixels, caplog):
    model = network(mean=(0.0,) * 3, std=(1 / 255,) * 3)
    with pytest.raises(ValueError, match="128 times the same"):
        check_representative(np.repeat(pixels[:1], 128, axis=0), model)
    flat = np.broadcast_to(pixels[:, :1, :1], pixels.shape)
    with pytest.raises(ValueError, match="128 images of one colour"):
        check_representative(flat, model)
    check_representative(np.concatenate([pixels[:100], flat[:3]]), model)
    assert "3 of 103 calibration images are of one colour" in caplog.text


def test_a_network_of_the_zoo_knows_what_it_takes(pixels):
    model = kres.build("cifar_resnet20", input_shape=(16, 16, 3))
    assert "where pixels of 0..255 become" in wrong_scale(pixels, model)
