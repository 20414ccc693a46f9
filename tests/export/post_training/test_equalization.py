"""Equalized networks answer as before, and lose less where channels were badly scaled."""

import keras
import numpy as np
import pytest

import kres
from kres.export.post_training.equalization import _grouped, _pairs, equalized

LAYERS = keras.layers


def chain(*, groups: int = 1, depthwise: bool = False) -> keras.Model:
    """Three convolutions and a dense layer in a row on (n, 8, 8, 4), padding and pooling between them."""
    x = image = keras.Input((8, 8, 4))
    x = LAYERS.Conv2D(16, 3, padding="same", activation="relu", name="first")(x)
    x = LAYERS.MaxPooling2D()(LAYERS.ZeroPadding2D()(x))
    if depthwise:
        x = LAYERS.DepthwiseConv2D(3, depth_multiplier=2, name="second")(x)
    else:
        x = kres.convolution.GroupedConv2D(32, 3, groups=groups, name="second")(x)
    x = LAYERS.ReLU()(x)
    x = LAYERS.Conv2D(8, 1, name="third")(x)
    x = LAYERS.GlobalAveragePooling2D()(LAYERS.Activation("relu")(x))
    model = keras.Model(image, LAYERS.Dense(5, name="answer")(x))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


@pytest.mark.parametrize("options", [{}, {"groups": 4}, {"depthwise": True}], ids=["plain", "grouped", "depthwise"])
def test_same_answer_with_channels_of_equal_range(options):
    model = chain(**options)
    first = model.get_layer("first")
    spoilt = np.random.default_rng(1).uniform(-3, 3, 16)
    first.set_weights([value * 10**spoilt for value in first.get_weights()])
    images = np.random.default_rng(2).normal(size=(4, 8, 8, 4)).astype(np.float32)
    fair = equalized(model)
    expected = model(images)
    # Scales move roundings of float32: 1e-5 of the largest output.
    np.testing.assert_allclose(fair(images), expected, atol=1e-5 * np.abs(expected).max())
    pairs = _pairs(fair)
    assert [(a.name, b.name) for a, b in sorted(pairs, key=lambda pair: pair[0].name)] == [
        ("first", "second"), ("second", "third"), ("third", "answer"),
    ]  # fmt: skip
    for a, b in pairs:
        outgoing = np.abs(_grouped(a, a.get_weights()[0])).max((0, 1)).reshape(-1)
        incoming = np.abs(_grouped(b, b.get_weights()[0])).max((0, 3)).T.reshape(-1)
        np.testing.assert_allclose(outgoing, incoming, rtol=0.01)


def test_the_model_given_stays_as_it_is():
    model = chain()
    before = [value.copy() for value in model.get_weights()]
    equalized(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_only_what_one_layer_alone_reads_through_a_rectifier_is_a_pair():
    x = image = keras.Input((8, 8, 4))
    x = LAYERS.Conv2D(4, 3, padding="same", name="forks")(x)
    x = LAYERS.Add()([x, LAYERS.Conv2D(4, 1, name="summed")(x)])
    x = LAYERS.Conv2D(4, 1, activation="swish", name="curved")(x)
    x = LAYERS.Conv2D(4, 1, name="capped")(x)
    x = LAYERS.ReLU(max_value=6)(x)
    x = LAYERS.Conv2D(4, 1, name="normed")(x)
    x = LAYERS.BatchNormalization()(x)
    twice = LAYERS.Conv2D(4, 1, name="twice")
    x = tapped = LAYERS.Conv2D(4, 1, name="tapped")(twice(twice(x)))
    x = LAYERS.Conv2D(4, 1, name="last")(x)
    assert _pairs(keras.Model(image, [x, tapped])) == []
    assert [(a.name, b.name) for a, b in _pairs(keras.Model(image, x))] == [("tapped", "last")]


def test_a_dead_channel_stays_dead():
    model = chain()
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 3] = 0
    model.get_layer("first").set_weights([kernel, bias])
    fair = equalized(model)
    images = np.random.default_rng(2).normal(size=(4, 8, 8, 4)).astype(np.float32)
    np.testing.assert_allclose(fair(images), model(images), atol=1e-5 * np.abs(model(images)).max())
    assert all(np.isfinite(value).all() for value in fair.get_weights())


def test_a_network_of_the_zoo_has_a_pair_in_each_block():
    model = kres.fuse(kres.build("cifar_resnet20", input_shape=(16, 16, 3)))
    pairs = {(a.name, b.name) for a, b in _pairs(model)}
    assert ("stage1_block1_conv1", "stage1_block1_conv2") in pairs and len(pairs) == 9
