"""The builder: what it makes, what survives saving, what it refuses."""

import dataclasses
import sys
import threading
import time

import keras
import numpy as np
import pytest

import kres

TINY = dataclasses.replace(kres.spec("cifar_resnet20"), depths=(1, 1), widths=(8, 16), params=None)
VARIANTS = {
    "plain": dataclasses.replace(TINY, shortcut="none"),
    "option A": TINY,
    "option B": dataclasses.replace(TINY, shortcut="projection"),
    "option C": dataclasses.replace(TINY, shortcut="projection_all"),
    "bottleneck": dataclasses.replace(TINY, block="bottleneck", shortcut="projection"),
    "grouped": dataclasses.replace(TINY, block="bottleneck", shortcut="projection", groups=4, group_width=16),
    "stride in the 1x1": dataclasses.replace(TINY, block="bottleneck", shortcut="projection", stride_conv=1),
    "pre-activation": dataclasses.replace(TINY, order="preactivation", first_shortcut_activated=True),
    "strided last": dataclasses.replace(
        TINY, block="bottleneck", order="preactivation", shortcut="projection_or_pool", strided_block="last"
    ),
    "imagenet stem": dataclasses.replace(TINY, stem="imagenet", conv_bias=("stem_conv", "conv1")),
    "stem pool with zeros": dataclasses.replace(TINY, stem="imagenet", order="preactivation", stem_pool_zero_pad=True),
}


def images(n=2, size=16, channels=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, size, size, channels)).astype("float32")


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def shuffle_weights(model, seed=0):
    """Give every variable, moving statistics too, a value that shows when it goes astray."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape) * (0.2 if "kernel" in variable.path else 1.0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_spec_of_ones_own_builds_and_survives_saving(variant, tmp_path):
    model = kres.build(VARIANTS[variant], input_shape=(16, 16, 3), classes=4)
    shuffle_weights(model)
    expected = outputs(model, images())
    assert expected.shape == (2, 4)
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert isinstance(loaded, kres.ResNet)
    assert (loaded.spec, loaded.preprocess, loaded.options) == (model.spec, model.preprocess, model.options)
    np.testing.assert_array_equal(outputs(loaded, images()), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variable_has_a_gradient(variant):
    import tensorflow as tf

    model = kres.build(VARIANTS[variant], input_shape=(16, 16, 3), classes=4)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images(4), training=True)[:, 0])
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert [v.path for v, g in zip(model.trainable_variables, gradients, strict=True) if g is None] == []


def test_layer_names_are_the_published_ones():
    names = [layer.name for layer in kres.build("resnet50", input_shape=(32, 32, 3)).layers]
    for name in (
        "stem_conv1", "stem_norm1", "stem_act1", "stem_pool",
        "stage1_block1_conv2", "stage1_block1_norm2", "stage1_block1_shortcut_conv", "stage1_block1_shortcut_norm",
        "stage1_out", "stage2_out", "stage3_out", "stage4_out", "avg_pool", "predictions",
    ):  # fmt: skip
        assert name in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["resnet18", "keras_resnet50v2", "resnetv2_50"])
def test_stage_outputs_have_their_strides(name):
    """Of v2 in keras.applications the displaced stride: stage1_out is already at stride 8."""
    model = kres.build(name, input_shape=(64, 64, 3), include_top=False)
    displaced = kres.spec(name).strided_block == "last"
    sizes = [model.get_layer(f"stage{s}_out").output.shape[1] for s in (1, 2, 3, 4)]
    assert sizes == ([8, 4, 2, 2] if displaced else [16, 8, 4, 2])


def test_without_the_top_pooling_chooses_the_output():
    build = kres.CifarResNet20
    assert build(include_top=False).output.shape == (None, None, None, 64)
    assert build(include_top=False, pooling="avg").output.shape == (None, 64)
    assert build(include_top=False, pooling="max").output.shape == (None, 64)
    assert build().output.shape == (None, 10)
    assert kres.ResNet18(classes=7).output.shape == (None, 7)
    assert kres.ResNet18().input.shape == (None, 224, 224, 3)


def test_logits_and_probabilities_belong_together():
    model = kres.build(TINY, input_shape=(16, 16, 3), classifier_activation=None)
    softmax = kres.build(TINY, input_shape=(16, 16, 3))
    softmax.set_weights(model.get_weights())
    expected = outputs(model, images())
    expected = np.exp(expected) / np.exp(expected).sum(-1, keepdims=True)
    np.testing.assert_allclose(outputs(softmax, images()), expected, rtol=1e-5)  # float32 exp


def test_input_tensor_gives_an_ordinary_functional_model():
    raw = keras.Input((16, 16, 3))
    scaled = keras.layers.Rescaling(1 / 255)(raw)
    model = kres.build(TINY, input_tensor=scaled)
    assert not isinstance(model, kres.ResNet)
    assert model.input is raw
    with pytest.raises(ValueError, match="knows its preprocessing"):
        kres.preprocess(model)


def test_zero_init_makes_each_block_an_identity():
    for order in ("postactivation", "preactivation"):
        spec = dataclasses.replace(TINY, order=order, depths=(2, 1), shortcut="zero_pad")
        model = kres.build(spec, input_shape=(16, 16, 3), zero_init_residual=True)
        taps = keras.Model(
            model.input, [model.get_layer("stage1_block1_out").output, model.get_layer("stage1_out").output]
        )
        before, after = (keras.ops.convert_to_numpy(t) for t in taps(images()))
        np.testing.assert_array_equal(before, after)
        assert np.abs(before).max() > 0


def test_zero_init_leaves_a_plain_net_able_to_learn():
    """It has no shortcut: with a gamma of zero nothing, gradients neither, would get through a block."""
    model = kres.PlainNet20(zero_init_residual=True)
    gammas = [v for v in model.trainable_variables if v.name == "gamma"]
    assert len(gammas) == 19
    assert all((keras.ops.convert_to_numpy(v) == 1).all() for v in gammas)


def test_a_spec_may_ask_for_zero_init_itself():
    model = kres.build(dataclasses.replace(TINY, zero_init_residual=True))
    assert model.options["zero_init_residual"]
    assert not keras.ops.convert_to_numpy(model.get_layer("stage1_block1_norm2").gamma).any()


def test_kernels_start_with_hes_variance():
    model = kres.ResNet18(input_shape=(32, 32, 3))
    for name in ("stage1_block1_conv2", "stage4_block2_conv1"):
        kernel = keras.ops.convert_to_numpy(model.get_layer(name).kernel)
        fan_out = kernel.shape[0] * kernel.shape[1] * kernel.shape[3]
        # 36,864 draws or more: the deviation of a sample's deviation is 0.4 %.
        assert kernel.std() == pytest.approx(np.sqrt(2 / fan_out), rel=0.02)


def test_a_seed_fixes_the_initial_weights():
    keras.utils.set_random_seed(3)
    first = kres.build(TINY).get_weights()
    keras.utils.set_random_seed(3)
    for a, b in zip(first, kres.build(TINY).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_under_mixed_precision_the_head_stays_in_float32(policy, tmp_path):
    before = keras.config.dtype_policy().name
    model = kres.build(TINY, input_shape=(16, 16, 3), dtype=policy)
    assert keras.config.dtype_policy().name == before
    assert model.get_layer("stage1_block1_conv1").compute_dtype == policy.removeprefix("mixed_")
    assert model.get_layer("predictions").compute_dtype == "float32"
    np.testing.assert_allclose(outputs(model, images()).sum(-1), 1, rtol=1e-5)
    model.save(tmp_path / "half.keras")
    loaded = keras.saving.load_model(tmp_path / "half.keras")
    assert loaded.get_layer("stage1_block1_conv1").dtype_policy.name == policy


def test_in_double_precision_the_head_is_too():
    model = kres.build(TINY, input_shape=(16, 16, 3), dtype="float64")
    np.testing.assert_allclose(outputs(model, images()).sum(-1), 1, rtol=1e-12)  # float32 would be off by 1e-8


def test_what_is_frozen_stays_frozen_when_saved(tmp_path):
    model = kres.build(TINY, input_shape=(16, 16, 3), classes=4)
    for name in ("stem_conv1", "stage1_block1_norm2"):
        model.get_layer(name).trainable = False
    before = {v.path: v.numpy() for v in model.weights}
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    model.fit(images(8), np.arange(8) % 4, batch_size=4, verbose=0)
    moved = {path.rsplit("/", 1)[0] for path, value in before.items() if (model_value(model, path) != value).any()}
    assert {layer.name for layer in model.layers if layer.weights} - moved == {"stem_conv1", "stage1_block1_norm2"}
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert [v.path for v in loaded.trainable_variables] == [v.path for v in model.trainable_variables]
    # Keras drops the optimizer's state, with a warning, where its variables are others than the saved ones.
    for a, b in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def model_value(model, path):
    return next(v.numpy() for v in model.weights if v.path == path)


def test_a_frozen_model_stays_frozen_when_saved(tmp_path):
    model = kres.build(TINY, input_shape=(16, 16, 3))
    model.trainable = False
    model.get_layer("predictions").trainable = True
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert not loaded.trainable
    assert loaded.trainable_variables == []
    assert [layer.name for layer in loaded.layers if layer.weights and layer.trainable] == ["predictions"]


def test_preprocessing_travels_with_the_model(tmp_path):
    own = kres.Preprocess(size=16, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), interpolation="nearest")
    kres.build(TINY, input_shape=(16, 16, 3), preprocess=own).save(tmp_path / "net.keras")
    assert kres.preprocess(keras.saving.load_model(tmp_path / "net.keras")) == own


def test_any_number_of_channels_and_any_size():
    model = kres.build(TINY, input_shape=(None, None, 1))
    assert outputs(model, images(size=20, channels=1)).shape == outputs(model, images(size=33, channels=1)).shape
    assert len(kres.preprocess(model).mean) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "classes=0"),
        ({"classes": True}, "classes=True"),
        ({"classes": 2.0}, "classes=2.0"),
        ({"pooling": "sum"}, "pooling='sum'"),
        ({"input_shape": (16, 16)}, r"\(16, 16\)"),
        ({"input_shape": (16, 16, None)}, "channels known"),
        ({"input_shape": (16, 1, 3)}, "at least 2 pixels"),
        ({"input_tensor": np.zeros((1, 16, 16, 3))}, "ndarray"),
        ({"classifier_activation": "sofmax"}, "sofmax"),
        ({"input_shape": 16}, "Received: 16"),
        ({"preprocess": "torch"}, "preprocess='torch'"),
        (
            {"input_shape": (16, 16, 1), "preprocess": kres.Preprocess(size=16, mean=(0.5,) * 3, std=(0.5,) * 3)},
            "for 3",
        ),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        kres.build(TINY, **arguments)


def test_numpys_integers_are_integers(tmp_path):
    labels = np.array([0, 3, 1])
    model = kres.build(TINY, input_shape=tuple(np.array([16, 16, 3])), classes=labels.max() + 1)
    assert model.output.shape == (None, 4)
    model.save(tmp_path / "net.keras")
    assert keras.saving.load_model(tmp_path / "net.keras").options == model.options


def test_option_a_cannot_take_channels_away():
    with pytest.raises(ValueError, match=r"channels=8, input_shape=.*16"):
        kres.build(dataclasses.replace(TINY, widths=(16, 8)))


def test_shape_and_tensor_must_agree():
    with pytest.raises(ValueError, match="disagree"):
        kres.build(TINY, input_shape=(8, 8, 3), input_tensor=keras.Input((16, 16, 3)))


def test_an_image_smaller_than_the_networks_stride_is_refused():
    with pytest.raises(ValueError, match="at least 32 pixels"):
        kres.ResNet50(input_shape=(31, 224, 3))
    kres.ResNet18(input_shape=(32, 32, 3))


def test_channels_first_is_refused_in_words():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels_last"):
            kres.build(TINY)
    finally:
        keras.config.set_image_data_format(before)


def test_threads_build_side_by_side():
    """Python's recursion limit, which a deep build needs raised, is one for all threads."""
    limit, failures = sys.getrecursionlimit(), []

    def build(depth):
        try:
            kres.build(dataclasses.replace(TINY, depths=(depth, depth)))
        except RecursionError as error:
            failures.append(error)

    # The first to begin is the first to end, while the other, of 1,400 layers in a row, still builds.
    threads = [threading.Thread(target=build, args=(depth,)) for depth in (20, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sys.getrecursionlimit() == limit


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar_resnet1202", "cifar_resnetv2_1001"])
def test_a_thousand_layers_build_and_survive_saving(name, tmp_path):
    limit = sys.getrecursionlimit()
    start = time.process_time()
    # At zero, so that 600 random branches do not add up to infinity before a norm has seen a batch.
    model = kres.build(name, zero_init_residual=True)
    # Measured: 10 s of processor time on two shared cores. A bound on a change of kind (a trace a layer), not on speed.
    assert time.process_time() - start < 60
    x = images(1, 32)
    expected = outputs(model, x)
    assert np.isfinite(expected).all()
    model.save(tmp_path / "deep.keras")
    loaded = keras.saving.load_model(tmp_path / "deep.keras")
    np.testing.assert_array_equal(outputs(loaded, x), expected)
    assert sys.getrecursionlimit() == limit


def test_any_function_classifies():
    """One that Keras could not find again builds; to save the model takes registering it, as ever in Keras."""

    def halved(x):
        return x / 2

    model = kres.build(TINY, input_shape=(16, 16, 3), classifier_activation=halved)
    logits = kres.build(TINY, input_shape=(16, 16, 3), classifier_activation=None)
    logits.set_weights(model.get_weights())
    np.testing.assert_allclose(outputs(model, images()), outputs(logits, images()) / 2, rtol=1e-6)


@pytest.mark.parametrize("key", ["weights", "accept_licence", "input_tensor", "surprise"])
def test_a_config_holds_what_a_network_wrote_and_no_more(key):
    """`weights` in a file of somebody else's would fetch a repository or open a file of their choice."""
    config = kres.build(TINY, input_shape=(16, 16, 3)).get_config()
    with pytest.raises(ValueError, match=f"holds what get_config wrote.*{key}"):
        kres.ResNet.from_config({**config, key: "hf://somebody/else"})
