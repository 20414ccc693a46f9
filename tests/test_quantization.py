"""The fake-quantized twin: what it rounds, that it is the int8 file's arithmetic, and what it refuses."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import kres
from kres.lowering import lower
from kres.quantization import (
    activation_points,
    check_ranges,
    is_twin,
    observe_ranges,
    quantized_twin,
    ranges,
    set_ranges,
)
from tests.families import small

L = keras.layers


def images_for(model, count=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *model.input_shape[1:])).astype("float32")


def lively(model, seed=1):
    """The model with norms far from identity."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("moving_mean", "beta"):
            variable.assign(rng.normal(0, 0.2, variable.shape))
    return model


def built(name, **options):
    """One block a stage of a row's kind."""
    keras.utils.set_random_seed(0)
    spec = small(name)
    return lively(kres.build(replace(spec, depths=(1,) * len(spec.depths)), **options))


@pytest.fixture(scope="module")
def model():
    return built("cifar_resnet20")


@pytest.fixture(scope="module")
def twin(model):
    made = quantized_twin(model)
    observe_ranges(made, [images_for(model)])
    return made


def test_points_are_what_int8_rounds(model):
    """Convolution and ReLU are one operation, and so are sum and ReLU; what only moves values has its input's range."""
    points = activation_points(model)
    block = [name for name in points if name.startswith("stage2")]
    assert block == ["stage2_block1_act1", "stage2_block1_conv2", "stage2_out"]
    assert [name for name in points if not name.startswith("stage")] == [
        "images",
        "stem_act1",
        "avg_pool",
        "predictions_linear",
    ]


@pytest.mark.parametrize("name", ["resnetv2_50", "resnetblur18", "ecaresnet50d"])
def test_lowering_changes_no_answer(name):
    """Remaining norms and blurs become depthwise convolutions."""
    model = built(name, classifier_activation=None, activation="silu")
    lowered = lower(model).model
    kinds = {type(layer) for layer in lowered.layers}
    assert keras.layers.BatchNormalization not in kinds and L.Multiply in kinds
    images = images_for(model, 2)
    expected = np.asarray(model(images, training=False))
    # Sums in another order, and weights folded in float64.
    np.testing.assert_allclose(lowered(images, training=False), expected, atol=1e-4 * np.abs(expected).max())


def test_rounding_is_of_the_range_and_no_more(model, twin):
    """At most half a step from what it rounds, on 256 steps."""
    images = images_for(model)
    layer = twin.get_layer("images_quantized")
    rounded, step = layer(images)
    low, high = ranges(twin)["images"]
    assert float(step) == pytest.approx((high - low) / 255, rel=1e-6)
    assert np.abs(np.asarray(rounded) - images).max() <= float(step) * 0.5001
    assert len(np.unique(np.round(np.asarray(rounded) / float(step)))) <= 256


def test_four_bits_leave_fifteen_values_a_channel(model):
    made = quantized_twin(model, weight_bits=4)
    layer = made.get_layer("stem_conv1")
    impulse = np.zeros((1, 16, 16, 3), "float32")
    impulse[0, 8, 8, 1] = 1.0
    answers = np.asarray(layer(impulse, step=np.float32(1e-6)))[0, 7:10, 7:10] - np.asarray(layer.bias)
    kernel = np.asarray(layer.kernel)[::-1, ::-1, 1]
    step = np.abs(layer.kernel).max((0, 1, 2)) / 7
    np.testing.assert_allclose(answers, np.round(kernel / step) * step, atol=1e-5)


def test_a_twin_is_near_its_network(model, twin):
    images = images_for(model, seed=5)
    difference = np.abs(np.asarray(twin(images)) - np.asarray(model(images, training=False)))
    assert 0 < difference.max() < 0.1


def test_a_twin_is_saved_and_loaded(model, tmp_path):
    made = quantized_twin(model, weight_bits=4, keep_float=["stage1_block1_conv1"], range_updates="learned")
    observe_ranges(made, [images_for(model)])
    made.save(tmp_path / "twin.keras")
    loaded = keras.saving.load_model(tmp_path / "twin.keras")
    assert type(loaded) is type(made) and is_twin(loaded) and ranges(loaded) == ranges(made)
    assert kres.preprocess(loaded) == model.preprocess
    np.testing.assert_array_equal(loaded(images_for(model)), made(images_for(model)))


def test_any_functional_model_has_a_twin_that_is_saved_and_loaded(tmp_path):
    base = keras.Sequential([L.Conv2D(4, 3, activation="relu6", name="inner"), L.MaxPooling2D()])
    pixels = keras.Input((8, 8, 3))
    x = base(pixels)
    x = L.Concatenate()([x, L.Activation("silu", name="silu")(x)]) + L.Conv2D(8, 1, name="bare")(x)
    model = keras.Model(pixels, L.Dense(3, activation="softmax", name="head")(L.Flatten()(L.AveragePooling2D(2)(x))))
    images = images_for(model)
    made = quantized_twin(model)
    observe_ranges(made, [images])
    assert {"inner", "silu", "bare", "head_linear"} <= set(activation_points(model))
    assert np.abs(np.asarray(made(images)) - np.asarray(model(images))).max() < 0.05
    made.save(tmp_path / "twin.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "twin.keras")(images), made(images))


def test_ranges_follow_the_batches_in_training(model):
    made = quantized_twin(model, range_updates="moving_average")
    images = images_for(model)
    observe_ranges(made, [images])
    before = ranges(made)["images"]
    made(images * 2, training=True)
    after = ranges(made)["images"]
    expected = [
        0.99 * bound + 0.01 * extreme
        for bound, extreme in zip(before, (2 * images.min(), 2 * images.max()), strict=True)
    ]
    assert after == pytest.approx(expected, rel=1e-5)
    made(images, training=False)
    assert ranges(made)["images"] == after


def test_ranges_learn_by_gradient(model):
    import tensorflow as tf

    made = quantized_twin(model, range_updates="learned")
    observe_ranges(made, [images_for(model)])
    set_ranges(made, {name: (low / 2, high / 2) for name, (low, high) in ranges(made).items()})
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(made(images_for(model), training=True) ** 2)
    weights = made.trainable_weights
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    reached = {weight.path for weight, gradient in zip(weights, gradients, strict=True) if np.any(gradient)}
    assert sum(path.endswith("/high") for path in reached) == len(ranges(made))
    assert {weight.path for weight in weights if weight.name in ("kernel", "bias")} <= reached


def test_ranges_hold_zero_and_are_never_empty(model):
    made = quantized_twin(model)
    set_ranges(made, dict.fromkeys(ranges(made), (1.0, 2.0)) | {"avg_pool": (0.0, 0.0)})
    assert ranges(made)["images"] == (0.0, 2.0) and ranges(made)["avg_pool"] == (0.0, 1.0)
    check_ranges(made)


def test_a_norm_of_groups_stays_in_float32(caplog):
    model = built("resnet50_gn")
    with caplog.at_level("INFO", "kres"):
        made = quantized_twin(model)
    assert "stem_norm1" in caplog.text and "float32" in caplog.text
    assert "stem_norm1" in ranges(made)  # what reads it computes in int8


def test_bad_arguments_are_refused(model, twin):
    with pytest.raises(ValueError, match="weight_bits=3"):
        quantized_twin(model, weight_bits=3)
    with pytest.raises(ValueError, match=r"closest: stage1_block1_conv1\. Received: 'stage1_block1_cnv1'"):
        quantized_twin(model, keep_float=["stage1_block1_cnv1"])
    with pytest.raises(ValueError, match="updates='sometimes'"):
        quantized_twin(model, range_updates="sometimes")
    with pytest.raises(ValueError, match="float32"):
        quantized_twin(built("cifar_resnet20", dtype="mixed_bfloat16"))
    with pytest.raises(ValueError, match="functional"):
        quantized_twin(keras.Sequential([L.Dense(2)]))
    shared, x = L.Conv2D(3, 1, name="shared"), keras.Input((4, 4, 3))
    with pytest.raises(ValueError, match="'shared' called twice"):
        quantized_twin(keras.Model(x, shared(shared(x))))


def test_bad_ranges_are_refused(model, twin):
    good = ranges(twin)
    with pytest.raises(ValueError, match="missing or unknown: avg_pool"):
        set_ranges(twin, {name: bounds for name, bounds in good.items() if name != "avg_pool"})
    with pytest.raises(ValueError, match="unknown: nothing"):
        set_ranges(twin, {**good, "nothing": (0, 1)})
    for wrong in ((1.0, -1.0), (0.0, float("nan")), (0.0, float("inf"))):
        with pytest.raises(ValueError, match="avg_pool"):
            set_ranges(twin, {**good, "avg_pool": wrong})
    assert ranges(twin) == good
    with pytest.raises(ValueError, match="rounds nothing"):
        ranges(model)
    with pytest.raises(ValueError, match="such as images"):
        check_ranges(quantized_twin(model))
    with pytest.raises(ValueError, match="at least one batch"):
        observe_ranges(quantized_twin(model), [])
