import importlib.util
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kres.convolution import GroupedConv2D
from kres.kernels import tensorflow_conv
from tests.kernels.comparison import TOLERANCES, assert_same, observe, random_images, twins
from tests.kernels.subprocesses import run_python
from tests.support import skip_or_fail

STOCK = keras.layers.Conv2D
WINDOWS = [
    {},
    {"padding": "same"},
    {"padding": "same", "strides": 2},
    {"strides": (2, 1)},
    {"padding": "same", "dilation_rate": 2},
    {"kernel_size": (1, 5)},
]


def pair(channels: int = 8, **arguments: Any) -> tuple[Any, Any]:
    """A grouped layer of kres and one of Keras with the same weights."""
    arguments = {"filters": 12, "kernel_size": 3, "groups": 4, **arguments}
    return twins(GroupedConv2D, STOCK, input_shape=(None, 9, 8, channels), **arguments)


@pytest.fixture(params=["native", "float32", "split"])
def gradient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way to a gradient, as if the probe had answered so; "native" is whatever this machine has."""
    if request.param == "float32":
        # Where there is no native gradient in float32 either (no oneDNN), this is "split" once more.
        here = tensorflow_conv.has_native_gradient("CPU", "float32")
        monkeypatch.setattr(tensorflow_conv, "has_native_gradient", lambda _, dtype: here and dtype == "float32")
    if request.param == "split":
        monkeypatch.setattr(tensorflow_conv, "has_native_gradient", lambda *_: False)
    return request.param


@pytest.mark.parametrize("window", WINDOWS)
def test_equals_keras(window: dict[str, Any], gradient: str) -> None:
    own, stock = pair(**window)
    inputs = random_images(3, 9, 8, 8)
    assert_same(observe(own, inputs), observe(stock, inputs), TOLERANCES["float32"])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
@pytest.mark.parametrize("window", [{"padding": "same"}, {"strides": 2}])
def test_equals_keras_in_other_precisions(policy: str, window: dict[str, Any], gradient: str) -> None:
    own, stock = pair(dtype=policy, use_bias=False, **window)
    inputs = random_images(3, 9, 8, 8)
    assert_same(observe(own, inputs), observe(stock, inputs), TOLERANCES[policy])


def test_eager_equals_keras(gradient: str) -> None:
    own, stock = pair(padding="same", activation="relu")
    images = tf.constant(random_images(3, 9, 8, 8))
    seen = []
    for layer in (own, stock):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images)
        seen.append([outputs, *tape.gradient(outputs, [images, layer.kernel.value, layer.bias.value])])
    for ours, theirs in zip(*seen, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("jit", [True, False])
def test_unknown_sizes_and_xla(gradient: str, jit: bool) -> None:
    own, stock = pair(padding="same")
    inputs = random_images(3, 9, 8, 8)
    assert_same(observe(own, inputs, dynamic=True, jit=jit), observe(stock, inputs), TOLERANCES["float32"])


@pytest.mark.parametrize("arguments", [{"groups": 1}, {"data_format": "channels_first"}])
def test_keeps_to_keras_elsewhere(arguments: dict[str, Any]) -> None:
    shape = (2, 8, 9, 9) if "data_format" in arguments else (2, 9, 9, 8)
    own, stock = twins(
        GroupedConv2D, STOCK, input_shape=shape, **{"filters": 8, "kernel_size": 3, "groups": 2} | arguments
    )
    images = random_images(*shape)
    if arguments.get("groups") == 1:
        assert_same(observe(own, images), observe(stock, images), 0.0)
    else:
        np.testing.assert_array_equal(own(images), stock(images))


@pytest.mark.parametrize("tail", ["bias", "norm"])
def test_what_follows_is_not_fused_into_a_failure(tail: str, gradient: str) -> None:
    """TensorFlow's graph optimizer would make an op that, without oneDNN, refuses groups when it runs."""
    layer, _ = pair(use_bias=tail == "bias")
    norm = keras.layers.BatchNormalization() if tail == "norm" else keras.layers.Identity()
    function = tf.function(lambda images: tf.nn.relu(norm(layer(images))))
    inputs = random_images(2, 9, 8, 8)
    np.testing.assert_allclose(function(tf.constant(inputs)), tf.nn.relu(norm(layer(inputs))), rtol=1e-4, atol=1e-4)


def test_survives_saving(tmp_path: Any) -> None:
    inputs = keras.Input((9, 8, 8))
    layer = GroupedConv2D(12, 3, groups=4, padding="same", strides=2, use_bias=False, name="conv")
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("conv")) is GroupedConv2D
    images = random_images(2, 9, 8, 8)
    np.testing.assert_array_equal(loaded(images), model(images))
    assert loaded.get_layer("conv").get_config() == layer.get_config()


def test_bad_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="evenly divisible"):
        GroupedConv2D(10, 3, groups=4)
    with pytest.raises(ValueError, match="evenly divisible"):
        GroupedConv2D(12, 3, groups=4)(keras.Input((9, 9, 6)))


def test_too_small_an_input_is_refused() -> None:
    layer, _ = pair()
    with pytest.raises(ValueError, match="too small"):
        layer(random_images(1, 2, 9, 8))


def test_symbolic_call_builds_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(self: Any, inputs: Any) -> Any:
        pytest.fail("the symbolic call traced the layer")

    monkeypatch.setattr(GroupedConv2D, "call", call)
    assert GroupedConv2D(12, 3, groups=4, strides=2)(keras.Input((9, 9, 8))).shape == (None, 4, 4, 12)


def test_under_mirrored_strategy() -> None:
    code = """
import keras, numpy as np, tensorflow as tf
from kres.convolution import GroupedConv2D

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.random.default_rng(0).normal(0.7, 2.0, (8, 6, 6, 8)).astype("float32")
for dtype in ("float32", "mixed_bfloat16"):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = GroupedConv2D(8, 3, groups=4, dtype=dtype)
        layer.build(images.shape)

    def replica(batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(batch), "float32") ** 2)
        return tape.gradient(loss, layer.kernel.value)

    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices(images).batch(8))
    halves = tf.function(lambda batch: strategy.run(replica, args=(batch,)))(next(iter(data)))
    total = sum(value.numpy() for value in strategy.experimental_local_results(halves))
    stock = keras.layers.Conv2D(8, 3, groups=4)
    stock.build(images.shape)
    stock.kernel.assign(layer.kernel.numpy())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(stock(images) ** 2)
    expected = tape.gradient(loss, stock.kernel.value).numpy()
    assert np.abs(total - expected).max() <= (1e-5 if dtype == "float32" else 2**-6) * np.abs(expected).max()
print("equal")
"""
    assert run_python(code) == "equal"


def test_on_another_backend_it_is_keras_own() -> None:
    if importlib.util.find_spec("jax") is None:
        skip_or_fail("jax is not installed")
    code = """
import sys
import keras, numpy as np
from kres import kernels
from kres.convolution import GroupedConv2D
from kres.normalization import BatchNormalization
assert keras.backend.backend() == "jax" and kernels.batch_norm is None
images = np.random.default_rng(0).normal(0.7, 2.0, (4, 9, 9, 8)).astype("float32")
for own, stock in (
    (GroupedConv2D(12, 3, groups=4), keras.layers.Conv2D(12, 3, groups=4)),
    (BatchNormalization(), keras.layers.BatchNormalization()),
):
    own.build(images.shape), stock.build(images.shape)
    stock.set_weights(own.get_weights())
    for training in ({"training": True}, {}) if isinstance(own, BatchNormalization) else ({},):
        np.testing.assert_array_equal(own(images, **training), stock(images, **training))
    for a, b in zip(own.weights, stock.weights, strict=True):
        np.testing.assert_array_equal(a, b)
assert "tensorflow" not in sys.modules
print("equal")
"""
    assert run_python(code, KERAS_BACKEND="jax") == "equal"
