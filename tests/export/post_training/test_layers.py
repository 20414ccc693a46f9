"""Signal to noise of each layer: where noise comes in, and how far it goes."""

import keras
import numpy as np
import pytest

import kres
from kres.export.losses import EXACT_DB
from kres.export.post_training.calibration import collect_ranges
from kres.export.post_training.layers import layer_errors
from kres.export.post_training.units import Units
from kres.lowering import lower
from kres.quantization import quantized_twin, set_ranges


def calibrated(model, images, **options):
    """A quantized twin with min-max ranges."""
    twin = quantized_twin(model, **options)
    set_ranges(twin, collect_ranges(model, images))
    return twin


@pytest.fixture(scope="module")
def named():
    """A residual block with names of its own, on (n, 16, 16, 3)."""
    layers = keras.layers
    x = image = keras.Input((16, 16, 3), name="image")
    x = layers.ReLU(name="stem_relu")(layers.Conv2D(8, 3, padding="same", name="stem")(x))
    y = layers.Conv2D(8, 3, padding="same", activation="relu", name="inner")(x)
    y = layers.Conv2D(8, 1, name="outer")(y)
    x = layers.ReLU(name="out")(layers.Add(name="sum")([x, y]))
    x = layers.GlobalAveragePooling2D(name="mean")(layers.AveragePooling2D(2, name="pool")(x))
    model = keras.Model(image, layers.Dense(5, activation="softmax", name="answer")(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([rng.normal(0, (2 / np.prod(kernel.shape[:-1])) ** 0.5, kernel.shape), 0 * bias])
    return model


@pytest.fixture(scope="module")
def errors(named, images):
    """Of the whole network in int8."""
    return layer_errors(named, calibrated(named, images), images)


def test_every_activation_is_named_by_the_layer_that_computes_it_and_none_stands_there_twice(errors):
    assert len(errors) == 7
    # The softmax of the last one loses less than its sums.
    assert {(error.name, error.kind, error.activation) for error in errors} == {
        ("image", "InputLayer", "image"),
        ("stem", "Conv2D", "stem_relu"),
        ("inner", "Conv2D", "inner"),
        ("outer", "Conv2D", "outer"),
        ("sum", "Add", "out"),
        ("mean", "GlobalAveragePooling2D", "mean"),
        ("answer", "Dense", "answer_linear"),
    }


def test_the_worst_come_first_and_eight_bits_lose_little(errors):
    own = [error.own_snr_db for error in errors[:-1]]
    assert own == sorted(own)
    # 255 steps over a range of some standard deviations: 30 to 50 dB.
    assert own[0] > 25 and own[-1] < 65


def test_layers_around_one_are_those_that_its_inputs_need(named):
    units = Units(lower(named))
    assert units.layers() == {"stem", "inner", "outer", "sum", "mean", "answer"}
    assert units.around("stem") == {"stem"}
    assert units.around("inner") == {"inner", "stem", "sum"}
    assert units.around("outer") == {"outer", "inner"}
    assert units.around("sum") == {"sum", "outer", "stem", "inner"}
    assert units.around("mean") == {"mean", "sum"}


def test_noise_of_the_input_is_that_of_rounding_it(errors, images):
    low, high = float(images.min()), float(images.max())
    scale = (high - low) / 255
    expected = 10 * np.log10(np.mean(images.astype(np.float64) ** 2) / (scale**2 / 12))
    error = next(error for error in errors if error.name == "image")
    # The rounding error of many values is uniform: its power is known to a percent or two.
    assert error.snr_db == pytest.approx(expected, abs=0.2)
    assert error.own_snr_db == EXACT_DB and error is errors[-1]


def test_noise_put_into_one_layer_is_found_there_and_goes_on_behind_it(named, errors, images):
    twin = calibrated(named, images)
    inner = twin.get_layer("inner_linear")
    inner.kernel.assign(inner.kernel * 1.1)
    spoilt = {error.activation: error for error in layer_errors(named, twin, images)}
    before = {error.activation: error for error in errors}
    # A tenth of the signal too much is 20 dB.
    assert spoilt["inner"].own_snr_db == pytest.approx(20, abs=0.5) and next(iter(spoilt)) == "inner"
    for name in ("image", "stem_relu"):
        assert spoilt[name] == before[name]
    for name in ("outer", "out", "mean", "answer_linear"):
        assert spoilt[name].own_snr_db == pytest.approx(before[name].own_snr_db, abs=0.1)
        assert spoilt[name].snr_db < before[name].snr_db - 3


def test_a_layer_in_float32_has_no_noise_but_where_integers_read_it(named, errors, images):
    kept = {
        error.activation: error
        for error in layer_errors(named, calibrated(named, images, keep_float=["inner"]), images)
    }
    before = {error.activation: error for error in errors}
    assert set(kept) == set(before)
    # Its kernel is exact; its output is rounded for the next one.
    assert kept["inner"].own_snr_db > before["inner"].own_snr_db + 1
    assert kept["stem_relu"] == before["stem_relu"]


def test_a_twin_of_another_network_is_refused(named, model, images):
    with pytest.raises(ValueError, match="twin must be that of the model"):
        layer_errors(model, calibrated(named, images), images)


def test_a_network_of_the_zoo():
    model = kres.build("cifar_resnet20", input_shape=(16, 16, 3))
    images = np.random.default_rng(0).normal(size=(16, 16, 16, 3)).astype(np.float32)
    errors = layer_errors(model, calibrated(model, images), images)
    names = [error.name for error in errors]
    assert {"stem_conv1", "stage1_block1_conv1", "stage3_block3_conv2", "predictions"} <= set(names)
    # The classifier loses more in its sums or in its softmax, as its random weights are.
    assert {error.kind for error in errors} >= {"Conv2D", "Add"}
