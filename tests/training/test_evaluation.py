import keras
import numpy as np
import pytest

import kres
from kres.training import evaluate
from kres.training.models import build_model
from kres.training.preprocessing import preprocess_of
from tests.training.tiny import tiny_recipe, tiny_source


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    recipe = tiny_recipe()
    preprocess = preprocess_of(recipe.images)
    return build_model(recipe.network, preprocess, classes=3, activation="softmax", size_px=8)


@pytest.mark.parametrize("batch_size", [1, 3, 128])
def test_every_image_counts_once_with_any_batch_size(model, batch_size):
    source = tiny_source()
    images = np.stack([source.test.read(i) for i in range(7)])
    expected = model.predict(kres.preprocess(model)(images), verbose=0).argmax(axis=1)
    found = evaluate(model, source, batch_size=batch_size)
    assert found.n_images == 7
    np.testing.assert_array_equal(found.predictions, expected)
    assert found.accuracy == np.mean(expected == source.test.labels)


def test_the_training_split_on_request(model):
    assert evaluate(model, tiny_source(), split="train").n_images == 20
    with pytest.raises(ValueError, match=r"train, test or all\. Received: split='validation'"):
        evaluate(model, tiny_source(), split="validation")


def test_other_classes_than_the_model_has_are_an_error(model):
    with pytest.raises(ValueError, match=r"10 in 'digits'. Received: a model with 3"):
        evaluate(model, "digits")


def test_a_model_that_knows_no_preprocessing_is_an_error():
    inputs = keras.Input((8, 8, 3))
    plain = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    with pytest.raises(ValueError, match=r"knows its preprocessing"):
        evaluate(plain, tiny_source())


def test_batch_size_must_be_positive(model):
    with pytest.raises(ValueError, match=r"Received: batch_size=0"):
        evaluate(model, tiny_source(), batch_size=0)
