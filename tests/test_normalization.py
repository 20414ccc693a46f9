from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kres.normalization import BatchNormalization
from tests.kernels.comparison import TOLERANCES, assert_same, observe, random_images, twins
from tests.kernels.subprocesses import run_python

STOCK = keras.layers.BatchNormalization
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


def operations(layer: Any, inputs: np.ndarray, *, training: bool) -> set[str]:
    """The kinds of op that `layer` puts into a graph."""
    function = tf.function(lambda images: layer(images, training=training))
    graph = function.get_concrete_function(tf.TensorSpec(inputs.shape, inputs.dtype)).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dynamic", [True, False])
def test_equals_keras(policy: str, training: bool, dynamic: bool) -> None:
    inputs = random_images(4, 5, 7, 6)
    own, stock = twins(BatchNormalization, STOCK, input_shape=inputs.shape, dtype=policy, epsilon=1e-5)
    assert "FusedBatchNormV3" in operations(own, random_images(1, 2, 2, 6), training=False)
    arguments = {"training": training, "dynamic": dynamic}
    assert_same(observe(own, inputs, **arguments), observe(stock, inputs, **arguments), TOLERANCES[policy])


@pytest.mark.parametrize("policy", POLICIES)
def test_moving_statistics_are_float32_exact(policy: str) -> None:
    """They are averages of float32 sums whatever the activations are, so no half-precision tolerance applies."""
    inputs = random_images(3, 4, 4, 6)
    own, stock = twins(BatchNormalization, STOCK, input_shape=inputs.shape, dtype=policy, momentum=0.3)
    for layer in (own, stock):
        for seed in range(5):
            layer(random_images(3, 4, 4, 6, seed=seed), training=True)
    np.testing.assert_allclose(own.moving_mean, stock.moving_mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(own.moving_variance, stock.moving_variance, rtol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_frozen_equals_keras(training: bool) -> None:
    inputs = random_images(4, 5, 5, 6)
    own, stock = twins(BatchNormalization, STOCK, input_shape=inputs.shape)
    own.trainable = stock.trainable = False
    before = own.get_weights()
    assert_same(observe(own, inputs, training=training), observe(stock, inputs, training=training), 1e-5)
    for old, new in zip(before, own.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("arguments", [{"center": False}, {"scale": False}, {"center": False, "scale": False}])
@pytest.mark.parametrize("training", [True, False])
def test_without_gamma_or_beta(arguments: dict[str, Any], training: bool) -> None:
    inputs = random_images(4, 3, 3, 6)
    own, stock = twins(BatchNormalization, STOCK, input_shape=inputs.shape, **arguments)
    assert_same(observe(own, inputs, training=training), observe(stock, inputs, training=training), 1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("elements", [1, 2, 3])
@pytest.mark.parametrize("dynamic", [True, False])
def test_few_elements(momentum: float, elements: int, dynamic: bool) -> None:
    """Bessel's correction is largest here, and n = 1 would divide by zero."""
    inputs = random_images(elements, 1, 1, 6)
    own, stock = twins(BatchNormalization, STOCK, input_shape=inputs.shape, momentum=momentum)
    own_seen = observe(own, inputs, training=True, dynamic=dynamic)
    stock_seen = observe(stock, inputs, training=True, dynamic=dynamic)
    gradient = "gradient of input", "gradient of gamma"
    # At one or two elements the exact gradient is 0 or next to it, and what is left is rounding.
    for name in gradient:
        np.testing.assert_allclose(own_seen.pop(name), stock_seen.pop(name), atol=1e-2 if elements == 2 else 1e-3)
    assert_same(own_seen, stock_seen, 1e-5)


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((6, 8), {}),
        ((4, 5, 6), {}),
        ((2, 3, 4, 5, 6), {}),
        ((4, 6, 5, 5), {"axis": 1}),
        ((4, 5, 5, 6), {"synchronized": True}),
        ((4, 5, 5, 6), {"dtype": "float64"}),
        ((4, 5, 5, 6), {"dtype": "bfloat16"}),
    ],
)
def test_keeps_to_keras_elsewhere(shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    inputs = random_images(*shape)
    own, stock = twins(BatchNormalization, STOCK, input_shape=shape, **arguments)
    assert_same(observe(own, inputs, training=True), observe(stock, inputs, training=True), 0.0)


def test_axis_counted_from_the_front_is_fused() -> None:
    inputs = random_images(4, 5, 5, 6)
    own, stock = twins(BatchNormalization, STOCK, input_shape=inputs.shape, axis=3)
    assert "FusedBatchNormV3" in operations(own, inputs, training=True)
    assert_same(observe(own, inputs, training=True), observe(stock, inputs, training=True), 1e-5)


def test_mask_equals_keras() -> None:
    inputs, mask = random_images(4, 5, 5, 6), np.random.default_rng(2).random((4, 5, 5)) > 0.5
    own, stock = twins(BatchNormalization, STOCK, input_shape=inputs.shape)
    np.testing.assert_array_equal(own(inputs, training=True, mask=mask), stock(inputs, training=True, mask=mask))
    np.testing.assert_array_equal(own.moving_variance, stock.moving_variance)
    with pytest.raises(ValueError, match="one dimension less"):
        own(inputs, training=True, mask=mask[..., 0])


def test_wrong_channels_are_refused() -> None:
    layer = BatchNormalization()
    layer.build((None, 4, 4, 6))
    with pytest.raises(ValueError, match="axis -1"):
        layer(random_images(2, 4, 4, 5), training=True)


def test_eager_call_updates_statistics_once() -> None:
    inputs = random_images(4, 5, 5, 6)
    layer = BatchNormalization(momentum=0.75)
    layer(inputs, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.25 * inputs.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.75 + 0.25 * inputs.var((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("dynamic", [True, False])
def test_under_xla(dynamic: bool) -> None:
    inputs = random_images(4, 5, 5, 6)
    own, stock = twins(BatchNormalization, STOCK, input_shape=inputs.shape)
    own_seen = observe(own, inputs, training=True, dynamic=dynamic, jit=True)
    assert_same(own_seen, observe(stock, inputs, training=True), 1e-5)


def test_survives_saving(tmp_path: Any) -> None:
    inputs = keras.Input((5, 5, 6))
    model = keras.Model(inputs, BatchNormalization(momentum=0.8, epsilon=1e-5, name="norm")(inputs))
    images = random_images(4, 5, 5, 6)
    model(images, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("norm")) is BatchNormalization
    np.testing.assert_array_equal(loaded(images), model(images))
    assert loaded.get_layer("norm").get_config() == model.get_layer("norm").get_config()


def test_symbolic_call_builds_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of a thousand norms is built from shapes alone."""

    def call(self: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        pytest.fail("the symbolic call traced the layer")

    monkeypatch.setattr(BatchNormalization, "call", call)
    assert BatchNormalization()(keras.Input((5, 5, 6))).shape == (None, 5, 5, 6)


def test_few_graph_nodes_a_training_step() -> None:
    """Deep networks trace as fast as their nodes are few: Keras's own layer takes 32 of them."""
    layer = BatchNormalization()
    layer.build((8, 4, 4, 6))
    function = tf.function(lambda images: layer(images, training=True))
    graph = function.get_concrete_function(tf.TensorSpec((8, 4, 4, 6))).graph
    work = [op for op in graph.get_operations() if op.type not in ("Placeholder", "Const", "Identity", "NoOp")]
    assert sorted(op.type for op in work) == [
        "AssignVariableOp",
        "AssignVariableOp",
        "FusedBatchNormV3",
        "Mul",
        "ReadVariableOp",
        "ReadVariableOp",
        "ReadVariableOp",
        "ReadVariableOp",
        "RealDiv",
    ]


MIRRORED = """
import keras, numpy as np, tensorflow as tf
from kres.normalization import BatchNormalization

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.random.default_rng(0).normal(0.7, 2.0, (8, 4, 4, 6)).astype("float32")
seen = []
for cls in (keras.layers.BatchNormalization, BatchNormalization):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = cls(momentum=0.5)
        layer.build(images.shape)

    def replica(batch):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            loss = tf.reduce_sum(layer(batch, training=True) ** 3)
        return tape.gradient(loss, [batch, *(v.value for v in layer.trainable_variables)])

    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices(images).batch(8))
    gradients = tf.function(lambda batch: strategy.run(replica, args=(batch,)))(next(iter(data)))
    found = [strategy.experimental_local_results(g) for g in gradients]
    found += [strategy.experimental_local_results(v.value) for v in layer.non_trainable_variables]
    assert all(len(values) == 2 for values in found)
    seen.append(found)
for stock, own in zip(*seen):
    for a, b in zip(stock, own):
        np.testing.assert_allclose(b.numpy(), a.numpy(), atol=1e-5 * np.abs(a.numpy()).max())
print("equal")
"""


def test_under_mirrored_strategy() -> None:
    """On two logical CPUs, in a process of its own: they must exist before anything else runs."""
    assert run_python(MIRRORED) == "equal"


def test_on_another_backend_it_is_keras_own() -> None:
    code = """
import sys
import keras, numpy as np
from kres import kernels
from kres.normalization import BatchNormalization
assert keras.backend.backend() == "numpy" and kernels.batch_norm is None
inputs = np.random.default_rng(0).normal(0.7, 2.0, (4, 5, 5, 6)).astype("float32")
own, stock = BatchNormalization(), keras.layers.BatchNormalization()
for training in (True, False):
    np.testing.assert_array_equal(own(inputs, training=training), stock(inputs, training=training))
np.testing.assert_array_equal(own.moving_variance, stock.moving_variance)
assert "tensorflow" not in sys.modules
print("equal")
"""
    assert run_python(code, KERAS_BACKEND="numpy") == "equal"


def test_weights_of_keras_own_layer_load() -> None:
    stock = keras.Sequential([keras.Input((5, 5, 6)), STOCK(name="norm")])
    stock(random_images(4, 5, 5, 6), training=True)
    own = keras.Sequential([keras.Input((5, 5, 6)), BatchNormalization(name="norm")])
    own.set_weights(stock.get_weights())
    images = random_images(2, 5, 5, 6, seed=3)
    np.testing.assert_allclose(own(images), stock(images), atol=1e-5)
