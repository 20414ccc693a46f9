"""Each option of the builder on each kind of network, and properties that hold for all of them."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import kres
from kres.blocks import ORDERS
from kres.specs import Spec
from tests.families import REPRESENTATIVES, small, without_values


def images(size: int, *, n: int = 2, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, size, size, channels)).astype("float32")


def scramble(model: keras.Model) -> None:
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, variable.shape)
        elif "kernel" in variable.name:
            value = rng.standard_normal(variable.shape) * np.sqrt(2 / np.prod(variable.shape[:-1]))
        else:
            value = 0.1 * rng.standard_normal(variable.shape)
        variable.assign(value)


def is_local(spec: Spec) -> bool:
    """Whether no position of a map sees the whole map, whose values dilation makes denser, nor loses an average.

    timm's average that strides for a convolution is none once the stride is taken.
    """
    return spec.attention == "none" and spec.norm != "group" and spec.antialias != "avg"


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_saved_and_loaded_it_computes_the_same(name, tmp_path):
    spec = small(name)
    model = kres.build(spec, drop_path=0.0 if spec.shortcut == "none" else 0.2, dropout=0.1)
    scramble(model)
    expected = np.array(model(images(spec.input_size), training=False))
    assert expected.shape == (2, 5)
    assert np.isfinite(expected).all()
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert (loaded.spec, loaded.options) == (model.spec, model.options)
    np.testing.assert_array_equal(loaded(images(spec.input_size), training=False), expected)


@pytest.mark.parametrize("name", REPRESENTATIVES)
@pytest.mark.parametrize("channels", [1, 4])
def test_any_size_and_channels_without_the_top(name, channels):
    spec = small(name)
    model = kres.build(spec, include_top=False, input_shape=(None, None, channels), pooling="max", output_stride=None)
    for size in (spec.stride * 2, spec.stride * 2 + 5):
        assert model(images(size, channels=channels)).shape == (2, model.output.shape[-1])


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_every_variable_has_a_gradient_and_training_is_finite(name):
    import tensorflow as tf

    spec = small(name)
    model = kres.build(spec, drop_path=0.0 if spec.shortcut == "none" else 0.2, dropout=0.1, classifier_activation=None)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(images(spec.input_size, n=4), training=True)[:, 0])
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    without = [v.path for v, g in zip(model.trainable_variables, gradients, strict=True) if g is None]
    assert without == []
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_zero_init_makes_each_branch_nothing(name):
    spec = small(name)
    model = kres.build(spec, zero_init_residual=True, include_top=False, input_shape=(64, 64, 3))
    ends = ORDERS[spec.order].after_last
    zero = [v.path for v in model.trainable_variables if v.name != "beta" and v.name != "bias" and not np.any(v)]
    learns = spec.shortcut != "none" and ends in ((), ("norm",))
    assert len(zero) == (sum(spec.depths) if learns else 0)


@pytest.mark.parametrize("name", [n for n in REPRESENTATIVES if is_local(small(n))])
def test_dilation_leaves_every_second_position_as_it_was(name):
    """The rule of torchvision: with a stride taken and what follows dilated, the old map is every second position.

    With two strides taken it is every fourth, but for the averages and filters, which do not dilate. Float32 sums in
    another order: 1e-5 of the largest value.
    """
    spec = small(name)
    step = 2 if spec.shortcut_pool == "avg" or spec.antialias == "blur" else 4
    model, dilated = (
        kres.build(spec, include_top=False, input_shape=(64, 64, 3), output_stride=stride)
        for stride in (None, spec.stride // step)
    )
    scramble(model)
    dilated.set_weights(model.get_weights())
    sparse, dense = (np.array(net(images(64), training=False)) for net in (model, dilated))
    assert dense.shape[1] == step * sparse.shape[1]
    np.testing.assert_allclose(dense[:, ::step, ::step], sparse, atol=1e-5 * np.abs(sparse).max())


@pytest.mark.parametrize(
    ("name", "rule", "undilated"),
    [
        ("resnet18", "torchvision", ["stage4_block1_conv1"]),
        ("resnet18", "deeplab", []),
        ("resnet50d", "torchvision", ["stage4_block1_conv2"]),
        ("resnet50d", "deeplab", []),
        ("senet154", "torchvision", ["stage4_block1_conv2", "stage4_block1_shortcut_conv"]),
        ("senet154", "deeplab", []),
        ("keras_resnet50", "torchvision", []),  # there a 1x1 strides
        ("keras_resnet50v2", "torchvision", []),  # there the block before strides
        ("cifar_wrn_28_10", "torchvision", ["stage3_block1_conv1"]),
    ],
)
def test_the_last_stages_convolutions_dilate_by_the_rule(name, rule, undilated):
    spec = small(name)
    model = kres.build(spec, output_stride=spec.stride // 2, dilation_rule=rule)
    stage = [layer for layer in model.layers if layer.name.startswith(f"stage{len(spec.depths)}_")]
    rates = {layer.name: layer.dilation_rate[0] for layer in stage if getattr(layer, "kernel_size", None) == (3, 3)}
    assert [layer for layer, rate in rates.items() if rate == 1] == undilated
    assert set(rates.values()) <= {1, 2}


@pytest.mark.parametrize("norm", ["batch", "sync_batch", "frozen_batch", "group"])
@pytest.mark.parametrize("name", ["resnet50d", "resnetv2_50", "resnetrs50", "resnetv2_50x1_bit"])
def test_norm_is_a_choice(name, norm):
    spec = replace(small(name), widths=(32, 32, 64, 64), stem_widths=(32,) * 3 if small(name).stem_widths else None)
    model = kres.build(spec, norm=norm)
    assert model.spec.norm == norm
    norms = {type(layer).__name__ for layer in model.layers if "_norm" in layer.name}
    expected = {"group": "GroupNormalization", "frozen_batch": "FrozenBatchNormalization"}.get(
        norm, "BatchNormalization"
    )
    assert norms == {expected}
    synchronized = {layer.synchronized for layer in model.layers if hasattr(layer, "synchronized")}
    assert synchronized in (set(), {norm == "sync_batch"})
    assert model(images(64)).shape == (2, 5)
    assert kres.ResNet.from_config(model.get_config()).spec == model.spec


def test_frozen_norms_stay_frozen():
    model = kres.build(small("resnet50"), norm="frozen_batch")
    model.trainable = True
    norms = [layer for layer in model.layers if "_norm" in layer.name]
    assert not any(layer.trainable or layer.trainable_variables for layer in norms)
    names = {variable.path for variable in model.trainable_variables}
    assert not any("norm" in name for name in names)
    before = [np.array(layer.moving_mean) for layer in norms]
    in_training = np.array(model(images(64), training=True))
    np.testing.assert_array_equal(in_training, model(images(64), training=False))
    assert all(np.array_equal(old, layer.moving_mean) for old, layer in zip(before, norms, strict=True))


@pytest.mark.parametrize("activation", ["silu", "gelu", "leaky_relu"])
def test_activation_is_a_choice(activation):
    spec = small("seresnet50")
    model, relu = kres.build(spec, activation=activation), kres.build(spec)
    model.set_weights(relu.get_weights())
    assert model.spec.activation == activation
    assert np.abs(np.array(model(images(64))) - np.array(relu(images(64)))).max() > 1e-4
    # The attention's own activation belongs to the attention.
    assert isinstance(model.get_layer("stage1_block1_se_act"), keras.layers.ReLU)


@pytest.mark.parametrize("name", ["resnet50", "resnetv2_50", "seresnet50"])
def test_a_dropped_path_leaves_the_shortcut(name):
    """At a rate near 1 a training step sees shortcuts alone: dropping branches keeps whole images apart."""
    spec = small(name)
    model = kres.build(spec, drop_path=0.5)
    rates = [layer.rate for layer in model.layers if layer.name.endswith("_drop_path")]
    assert rates == pytest.approx([0.5 * k / (sum(spec.depths) - 1) for k in range(1, sum(spec.depths))])
    layer = model.get_layer("stage4_block2_drop_path")
    dropped = np.array(layer(np.ones((400, 2, 2, 3), "float32"), training=True))
    assert set(np.unique(dropped)) == {0.0, 2.0}  # kept branches are scaled by 1 / (1 - rate)
    per_image = dropped.reshape(400, -1)
    assert (per_image == per_image[:, :1]).all()
    assert 0.35 < per_image[:, 0].mean() / 2 < 0.65
    np.testing.assert_array_equal(model(images(64), training=False), model(images(64), training=False))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"output_stride": 12}, r"`output_stride` is None or one of \[4, 8, 16, 32\].*output_stride=12"),
        ({"output_stride": "8"}, r"`output_stride` is None or one of"),
        ({"output_stride": True}, r"`output_stride` is None or one of"),
        ({"dilation_rule": "tf"}, r"`dilation_rule` is one of \('torchvision', 'deeplab'\).*'tf'"),
        ({"multigrid": (1, 2), "output_stride": 16}, r"`multigrid` is None or 3 positive integers.*\(1, 2\)"),
        ({"multigrid": (1, 2, 0), "output_stride": 16}, r"`multigrid` is None or 3 positive integers"),
        ({"multigrid": 3, "output_stride": 16}, r"`multigrid` is None or 3 positive integers"),
        ({"multigrid": (1, 2, 4)}, r"give an `output_stride`.*multigrid=\(1, 2, 4\)"),
        ({"dropout": 0.5, "include_top": False}, r"Dropout stands before the classifier.*dropout=0\.5"),
        ({"norm": "frozen_batch", "zero_init_residual": True}, r"A frozen norm that starts at zero stays there"),
        ({"include_top": "no"}, r"`include_top` is True or False.*'no'"),
        ({"zero_init_residual": 1}, r"`zero_init_residual` is True or False"),
        ({"accept_licence": "maybe"}, r"`accept_licence` is True or False"),
        ({"input_tensor": keras.Input((64, 64, 3), dtype="uint8")}, r"holds floating-point numbers.*uint8"),
        ({"drop_path": 1.0}, r"`drop_path` is a share.*drop_path=1.0"),
        ({"drop_path": "0.1"}, r"`drop_path` is a share"),
        ({"dropout": -0.1}, r"`dropout` is a share.*-0.1"),
        ({"dropout": True}, r"`dropout` is a share"),
        ({"norm": "layer"}, r"`norm` of a Spec is one of .*norm='layer'"),
        ({"activation": "Relu"}, r"`activation` of a Spec is one of .*activation='Relu'"),
    ],
)
def test_options_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        kres.build("resnet50", **options)


def test_a_row_that_starts_at_zero_can_be_told_not_to():
    row = replace(small("resnet18"), zero_init_residual=True)
    for given, zeros in ((None, True), (True, True), (False, False)):
        norm = kres.build(row, zero_init_residual=given).get_layer("stage1_block1_norm2")
        assert np.any(norm.gamma) != zeros


@pytest.mark.parametrize("activation", ["relu", "silu", "gelu"])
def test_nothing_outside_the_map_wins_the_stems_maximum(activation):
    """As in PyTorch, whatever the activation: zeros around the map would win over negative values."""
    model = kres.build(small("resnet18"), activation=activation, include_top=False)
    scramble(model)
    stem = keras.Model(model.input, [model.get_layer(name).output for name in ("stem_act1", "stem_pool")])
    before, pooled = (np.array(value) for value in stem(images(64)))
    padded = np.pad(before, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    expected = np.max([padded[:, i : i + 32, j : j + 32] for i in range(3) for j in range(3)], axis=0)[:, ::2, ::2]
    np.testing.assert_array_equal(pooled, expected)


def test_a_plain_net_has_no_path_to_drop():
    with pytest.raises(ValueError, match=r"plain net has no shortcut.*drop_path=0\.2"):
        kres.build("plainnet20", drop_path=0.2)


@pytest.mark.parametrize(("name", "channels", "groups"), [("cifar_resnet20", 16, 16), ("resnet10t", 24, 8)])
def test_group_norm_divides_any_channels(name, channels, groups):
    norm = kres.build(name, norm="group", input_shape=(32, 32, 3)).get_layer("stem_norm1")
    assert (norm.gamma.shape, norm.groups) == ((channels,), groups)


def test_networks_without_values_get_none_later_even_where_building_them_failed():
    built = []

    def fails():
        with without_values():
            built.append(kres.build(small("resnet18")))
            raise RuntimeError("while building")

    with pytest.raises(RuntimeError, match="while building"):
        fails()
    with keras.StatelessScope():  # the next occasion at which Keras fills what it remembers
        pass
    assert {variable._value for variable in built[0].variables} == {None}
