"""Batch norms folded away: the same answers, from a network that is still what it was."""

import dataclasses
import importlib.util
import logging
import sys

import keras
import numpy as np
import pytest

import kres
from tests.kernels.subprocesses import run_python
from tests.support import skip_or_fail

# float32's rounding along another order of operations; measured: at most 6e-7 of the largest logit.
TOLERANCE = 1e-5
NORM = keras.layers.BatchNormalization


def small(name):
    """A row at a size that tests take: everything but widths, depths and input is the row's."""
    spec = kres.spec(name)
    stem = None if spec.stem_widths is None else (32,) * len(spec.stem_widths)
    changes = {"depths": (2, 1), "widths": (32, 64), "stem_widths": stem, "params": None, "zero_init_residual": False}
    fields = {"norm_momentum": 0.9, "input_size": 32, "preset": "torch", "classes": 7}
    return dataclasses.replace(spec, **changes, **fields)


# One row of those that differ in nothing else.
ROWS = {small(name): name for name in reversed(kres.list_models())}


def scrambled(model, seed=0):
    """`model` with every variable, moving statistics too, at a value that shows when it goes astray."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape = tuple(variable.shape)
        if "kernel" in variable.name:
            variable.assign(rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, shape))
        elif variable.name in ("beta", "bias", "moving_mean"):
            variable.assign(rng.normal(0, 0.3, shape))
    return model


def network(spec, **options):
    return scrambled(kres.build(spec, input_shape=(32, 32, 3), classifier_activation=None, **options))


def images(n=2, size=32):
    return np.random.default_rng(1).standard_normal((n, size, size, 3)).astype("float32")


def outputs(model, x=None):
    return keras.ops.convert_to_numpy(model(images() if x is None else x, training=False))


def norms(model):
    return [layer.name for layer in model.layers if isinstance(layer, NORM)]


def assert_same_answers(fused, model, x=None):
    expected = outputs(model, x)
    np.testing.assert_allclose(outputs(fused, x), expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("spec", ROWS, ids=ROWS.values())
def test_every_row_answers_as_before(spec):
    model = network(spec)
    if spec.norm == "group" and spec.weight_standardization is None:
        with pytest.raises(ValueError, match="nothing to fold"):
            kres.fuse(model)
        return
    before = model.get_weights()
    fused = kres.fuse(model)
    assert_same_answers(fused, model)
    for value, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)
    behind_sums = spec.order in ("preactivation", "norm_after_addition")
    assert len(norms(fused)) < len(norms(model)) or spec.norm == "group"
    assert norms(fused) == [] or behind_sums
    assert not any(type(layer).__name__ == "StandardizedConv2D" for layer in fused.layers)


@pytest.mark.parametrize("name", ["resnet50", "seresnext50_32x4d", "resnetv2_50", "resnetv2_50x1_bit"])
def test_it_stays_a_resnet_and_survives_saving(name, tmp_path):
    model = network(small(name))
    model.weights_tag = "timm/of.its_own"
    model.get_layer("stage1_block1_conv1").trainable = False
    fused = kres.fuse(model)
    assert isinstance(fused, kres.ResNet)
    fused.save(tmp_path / "fused.keras")
    loaded = keras.saving.load_model(tmp_path / "fused.keras")
    np.testing.assert_array_equal(outputs(loaded), outputs(fused))
    for one in (fused, loaded):
        for known in ("spec", "options", "preprocess", "weights_tag", "name"):
            assert getattr(one, known) == getattr(model, known)
        assert [layer.name for layer in one.layers if layer.weights and not layer.trainable] == ["stage1_block1_conv1"]
        assert norms(one) == norms(fused)


def test_a_frozen_model_stays_frozen():
    model = network(small("resnet18"))
    model.trainable = False
    assert kres.fuse(model).trainable_variables == []


@pytest.mark.parametrize("name", ["resnet50", "resnetv2_50"])
def test_its_maps_are_tapped_as_before(name):
    model = network(small(name), include_top=False)
    expected, found = (kres.features(one, (2, 4, 8))(images()) for one in (model, kres.fuse(model)))
    for level, tap in expected.items():
        np.testing.assert_allclose(found[level], tap, rtol=0, atol=TOLERANCE * np.abs(tap).max())


@pytest.mark.parametrize("norm", ["sync_batch", "frozen_batch"])
def test_every_kind_of_batch_norm_folds(norm):
    model = network(small("resnet18"), norm=norm)
    fused = kres.fuse(model)
    assert norms(fused) == []
    assert_same_answers(fused, model)


def test_under_mixed_precision_the_folding_is_not():
    """The folded variables are those of the float32 network, not rounded on the way."""
    single = network(small("resnet50"))
    mixed = kres.build(small("resnet50"), input_shape=(32, 32, 3), classifier_activation=None, dtype="mixed_bfloat16")
    mixed.set_weights(single.get_weights())
    fused = kres.fuse(mixed)
    assert fused.dtype_policy.name == fused.get_layer("stem_conv1").dtype_policy.name == "mixed_bfloat16"
    for value, expected in zip(fused.get_weights(), kres.fuse(single).get_weights(), strict=True):
        assert value.dtype == "float32"
        np.testing.assert_array_equal(value, expected)
    # bfloat16 keeps 8 bits: 12 convolutions, each rounded to 0.4 %.
    expected = outputs(single)
    np.testing.assert_allclose(outputs(fused), expected, rtol=0, atol=0.1 * np.abs(expected).max())


def test_it_exports(tmp_path):
    model = network(small("resnet18"))
    report = kres.export.tflite(kres.fuse(model), tmp_path / "fused.tflite", images=images(4))
    assert report.passed
    assert kres.export.verify(model, report.path, images(4)).passed


def test_the_log_says_what_remains(caplog):
    with caplog.at_level(logging.INFO, logger="kres"):
        kres.fuse(network(small("resnetv2_50")))
    assert "6 of 10 batch norms folded, 4 remain" in caplog.text


def test_a_second_time_there_is_nothing_to_fold():
    with pytest.raises(ValueError, match="4 batch norms"):
        kres.fuse(kres.fuse(network(small("resnetv2_50"))))


@pytest.mark.parametrize(
    ("name", "left"),
    [("ResNet50", 0), ("ResNet50V2", 17), ("MobileNetV2", 0)],
)
def test_keras_applications_fold_too(name, left):
    model = scrambled(getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=5))
    fused = kres.fuse(model)
    assert len(norms(fused)) == left
    assert fused.name == model.name
    # Softmax makes the logits' absolute errors relative ones: 1e-5 of logits up to 30.
    np.testing.assert_allclose(outputs(fused), outputs(model), rtol=3e-4, atol=1e-6)


def test_models_within_models_fold(tmp_path):
    backbone = network(small("resnet18"), include_top=False, pooling="avg")
    layers = [keras.Input((32, 32, 3)), keras.layers.Rescaling(2.0), backbone]
    model = scrambled(keras.Sequential([*layers, keras.layers.Dense(6), NORM()]))
    fused = kres.fuse(model)
    assert norms(fused) == norms(fused.get_layer("resnet")) == []
    assert_same_answers(fused, model)
    fused.save(tmp_path / "fused.keras")
    loaded = keras.saving.load_model(tmp_path / "fused.keras")
    for value, expected in zip(loaded.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


class Doubled(keras.layers.Conv2D):
    """A convolution that is not what its kernel says."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def branch(x):
    """A convolution and a norm that fold, so that there is something to fold."""
    return NORM(name="folds", scale=False, center=False)(keras.layers.Conv2D(4, 1, name="conv")(x))


def shared_convolution(x):
    conv = keras.layers.Conv2D(4, 1)
    return NORM(name="stays")(conv(x)) + conv(x)


def shared_norm(x):
    norm = NORM(name="stays")
    return norm(keras.layers.Conv2D(4, 1)(x)) + norm(keras.layers.Conv2D(4, 1)(x))


def output_read_twice(x):
    y = keras.layers.Conv2D(4, 1)(x)
    return NORM(name="stays")(y) + y


def activation_between(x):
    return NORM(name="stays")(keras.layers.Conv2D(4, 1, activation="relu")(x))


def another_axis(x):
    return NORM(name="stays", axis=1)(keras.layers.Conv2D(4, 1)(x))


def statistics_of_the_batch(x):
    return NORM(name="stays")(keras.layers.Conv2D(4, 1)(x), training=True)


def unknown_convolution(x):
    return NORM(name="stays")(Doubled(4, 1)(x))


@pytest.mark.parametrize(
    "other",
    [
        shared_convolution,
        shared_norm,
        output_read_twice,
        activation_between,
        another_axis,
        statistics_of_the_batch,
        unknown_convolution,
    ],
)
def test_what_must_not_fold_does_not(other):
    x = keras.Input((5, 5, 3))
    model = scrambled(keras.Model(x, [branch(x), other(x)]))
    fused = kres.fuse(model)
    assert norms(fused) == ["stays"]
    for found, expected in zip(fused.predict_on_batch(images(3, 5)), model.predict_on_batch(images(3, 5)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def test_a_convolution_that_is_an_output_too_stays_as_it_is():
    x = keras.Input((5, 5, 3))
    y = keras.layers.Conv2D(4, 1)(x)
    with pytest.raises(ValueError, match="1 batch norms"):
        kres.fuse(keras.Model(x, [y, NORM()(y)]))


def test_depthwise_channels_keep_their_order():
    x = keras.Input((5, 5, 3))
    model = scrambled(keras.Model(x, NORM()(keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(x))))
    assert_same_answers(kres.fuse(model), model, images(3, 5))


def test_how_it_was_compiled_does_not_matter():
    model = network(small("resnet18"))
    model.compile("sgd", loss=lambda y, p: keras.ops.mean(p))  # which no config can hold
    assert not kres.fuse(model).compiled


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize("model", [Subclassed(), keras.Sequential([keras.layers.Dense(3)])])
def test_a_model_without_a_graph_is_refused(model):
    with pytest.raises(ValueError, match=f"Received: model of type {type(model).__name__}"):
        kres.fuse(model)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_fold_too(backend):
    if importlib.util.find_spec(backend) is None:
        skip_or_fail(f"{backend} is not installed")
    code = """
import numpy as np, keras, kres
from tests.test_folding import assert_same_answers, network, small
for name in ("resnext50_32x4d", "resnetv2_50x1_bit"):
    model = network(small(name))
    assert_same_answers(kres.fuse(model), model)
print(keras.backend.backend())
"""
    assert run_python(code, KERAS_BACKEND=backend) == backend


@pytest.mark.slow
def test_resnet50_at_full_size():
    model = network(kres.spec("resnet50"))
    fused = kres.fuse(model)
    assert norms(fused) == []
    assert_same_answers(fused, model)


@pytest.mark.slow
def test_depth_is_no_limit(tmp_path):
    """Keras recurses once a layer, and Python allows 1,000 calls: here are 1,400 layers in a row."""
    limit = sys.getrecursionlimit()
    spec = dataclasses.replace(small("cifar_resnet20"), depths=(100, 100), widths=(4, 8))
    model = kres.build(spec, input_shape=(8, 8, 3), zero_init_residual=True)
    fused = kres.fuse(model)
    assert norms(fused) == []
    assert_same_answers(fused, model, images(1, 8))
    fused.save(tmp_path / "fused.keras")
    assert norms(keras.saving.load_model(tmp_path / "fused.keras")) == []
    assert sys.getrecursionlimit() == limit
