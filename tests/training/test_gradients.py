import keras
import numpy as np
import pytest
import tensorflow as tf

from kres.training.gradients import accumulated, apply, clipped, reduced
from kres.training.optimisation import SGD, make_optimizer
from kres.training.settings import Optimizer
from tests.training.replicas import on_two_replicas


def _network():
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((6, 6, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.GroupNormalization(2),
        keras.layers.Flatten(),
        keras.layers.Dense(3),
    ]
    return keras.Sequential(layers)


def _compute(model, calls=None):
    weights = [weight.value for weight in model.trainable_variables]

    def compute(images, labels):
        if calls is not None:
            calls.append(images.shape)
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)) / 12
        right = tf.math.count_nonzero(tf.argmax(logits, axis=-1, output_type=tf.int32) == labels)
        return tape.gradient(loss, weights), loss, right

    return compute


def _batch(images=12):
    rng = np.random.default_rng(0)
    pixels = tf.constant(rng.normal(size=(images, 6, 6, 3)), tf.float32)
    return pixels, tf.constant(rng.integers(0, 3, images), tf.int32)


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_parts_of_a_batch_add_up_to_the_whole(parts):
    model, calls = _network(), []
    whole = tf.function(_compute(model), autograph=False)(*_batch())
    split = tf.function(lambda *batch: accumulated(_compute(model, calls), batch, parts=parts), autograph=False)(
        *_batch()
    )
    assert calls == [(12 // parts, 6, 6, 3)]  # traced once, for one part
    for found, expected in zip(tf.nest.flatten(split), tf.nest.flatten(whole), strict=True):
        # float32 sums in another order
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert split[2].dtype == tf.int64


def test_norm_statistics_move_once_a_part():
    norm = keras.layers.BatchNormalization(momentum=0.5)
    model = keras.Sequential([keras.Input((6, 6, 3)), norm, *_network().layers])
    tf.function(lambda *batch: accumulated(_compute(model), batch, parts=3), autograph=False)(*_batch())
    expected = np.zeros(3)
    for part in np.split(_batch()[0].numpy(), 3):
        expected = 0.5 * expected + 0.5 * part.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(norm.moving_mean.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_parts_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"a multiple of accumulate=5. Received: 12 images"):
        accumulated(_compute(_network()), _batch(), parts=5)


def test_a_weight_without_part_in_the_loss_is_refused():
    with pytest.raises(ValueError, match=r"no gradient for \[1\]"):
        reduced([tf.ones(2), None], SGD(0.1))


@pytest.mark.parametrize(("limit", "share"), [(None, 1.0), (10.0, 1.0), (2.5, 0.5)])
def test_clipping_scales_all_gradients_together(limit, share):
    gradients = [tf.constant([3.0, 0.0]), tf.constant([[4.0]])]
    for found, given in zip(clipped(gradients, limit), gradients, strict=True):
        np.testing.assert_allclose(found, share * given.numpy(), rtol=1e-6)


def _half(weight, **options):
    optimizer = make_optimizer(Optimizer(kind="sgd", momentum=0.0, **options), 0.1, dtype="mixed_float16")
    optimizer.build([weight])

    @tf.function(autograph=False)
    def step(gradient):
        scaled = optimizer.scale_loss(tf.constant(1.0)) * gradient
        apply(optimizer, clipped(reduced([scaled], optimizer), options.get("clip_norm")), [weight])

    return optimizer, step


def test_an_overflow_skips_the_update_and_halves_the_scale():
    weight = keras.Variable(np.ones(2, np.float32))
    optimizer, step = _half(weight)
    step(tf.constant([1.0, 2.0]))
    np.testing.assert_allclose(weight.numpy(), [0.9, 0.8], rtol=1e-6)
    for number, bad in enumerate([np.inf, -np.inf, np.nan], 1):
        step(tf.constant([1.0, bad], tf.float32))
        np.testing.assert_allclose(weight.numpy(), [0.9, 0.8], rtol=1e-6)
        assert float(optimizer.dynamic_scale) == 2.0 ** (15 - number)
        assert int(optimizer.iterations) == 1
    step(tf.constant([1.0, 2.0]))
    np.testing.assert_allclose(weight.numpy(), [0.8, 0.6], rtol=1e-6)
    assert int(optimizer.iterations) == 2


def test_the_scale_doubles_after_2000_good_updates():
    weight = keras.Variable(np.ones(2, np.float32))
    optimizer, step = _half(weight)
    optimizer.step_counter.assign(1998)
    scales = []
    for _ in range(3):
        step(tf.zeros(2))
        scales.append((float(optimizer.dynamic_scale), int(optimizer.step_counter)))
    assert scales == [(2.0**15, 1999), (2.0**16, 0), (2.0**16, 1)]


def test_clipping_sees_gradients_without_their_scale():
    weight = keras.Variable(np.zeros(2, np.float32))
    _, step = _half(weight, clip_norm=1.0)
    step(tf.constant([3.0, 4.0]))
    np.testing.assert_allclose(weight.numpy(), [-0.06, -0.08], rtol=1e-5)


def test_a_checkpoint_holds_the_scale_and_the_state(tmp_path):
    def made():
        weight = keras.Variable(np.ones((2, 2), np.float32))
        optimizer = make_optimizer(Optimizer(kind="lamb"), 0.1, dtype="mixed_float16")
        optimizer.build([weight])
        return weight, optimizer, tf.train.Checkpoint(weight=weight, optimizer=optimizer)

    weight, optimizer, checkpoint = made()
    for gradient in (tf.ones((2, 2)), tf.fill((2, 2), np.inf), tf.ones((2, 2))):
        apply(optimizer, reduced([gradient], optimizer), [weight])
    path = checkpoint.write(str(tmp_path / "checkpoint"))
    _, other, checkpoint = made()
    checkpoint.read(path).assert_consumed()
    assert (float(other.dynamic_scale), int(other.step_counter), int(other.iterations)) == (2.0**14, 1, 2)
    for found, expected in zip(other.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_frozen_layers_stay_as_they_are():
    model, batch = _network(), _batch()
    model.layers[0].trainable = False
    optimizer = make_optimizer(Optimizer(kind="lamb", weight_decay=0.1), 0.1)
    weights = model.trainable_variables
    optimizer.build(weights)
    before = {weight.path: weight.numpy() for weight in model.weights}

    @tf.function(autograph=False)
    def step():
        gradients, _, _ = accumulated(_compute(model), batch, parts=2)
        apply(optimizer, clipped(reduced(gradients, optimizer), 1.0), weights)

    step()
    changed = {weight.path for weight in model.weights if not np.array_equal(weight.numpy(), before[weight.path])}
    assert changed == {weight.path for weight in weights} and len(weights) == len(model.weights) - 2


@pytest.mark.slow
def test_two_replicas_clip_the_sum_and_update_once():
    # The norm of the sum is 5; half of it each would not be clipped at 2.5, nor would a sum taken twice be 5.
    on_two_replicas("""
        from kres.training.gradients import apply, clipped, reduced
        from kres.training.optimisation import OPTIMIZERS, make_optimizer
        from kres.training.settings import Optimizer

        halves = np.array([[3.0, 0.0], [0.0, 4.0]], np.float32)
        for dtype in ("float32", "mixed_float16"):
            for kind in OPTIMIZERS:
                with strategy.scope():
                    weight = keras.Variable(np.ones((1, 2), np.float32))
                    fields = Optimizer(kind=kind, weight_decay=0.01, decay_norms_and_biases=True)
                    optimizer = make_optimizer(fields, 0.1, dtype=dtype)
                    optimizer.build([weight])

                def replica_step(bad):
                    number = tf.distribute.get_replica_context().replica_id_in_sync_group
                    gradient = optimizer.scale_loss(tf.constant(1.0)) * tf.gather(halves, number)[None]
                    gradient += tf.where(bad & (number == 1), np.inf, 0.0)
                    apply(optimizer, clipped(reduced([gradient], optimizer), 2.5), [weight])

                step = tf.function(lambda bad: strategy.run(replica_step, args=(bad,)), autograph=False)
                half = dtype == "mixed_float16"
                for bad in (False, half, False):  # the replica that is not asked for its result is the one to overflow
                    step(tf.constant(bad))
                alone = keras.Variable(np.ones((1, 2), np.float32))
                reference = make_optimizer(fields, 0.1)
                for _ in range(2 if half else 3):
                    reference.apply([tf.constant([[1.5, 2.0]])], [alone])
                assert optimizer.iterations.numpy() == (2 if half else 3)
                for found in strategy.experimental_local_results(weight.value):
                    np.testing.assert_allclose(found.numpy(), alone.numpy(), rtol=1e-5)
                if half:
                    scales = strategy.experimental_local_results(optimizer.dynamic_scale.value)
                    assert [float(scale) for scale in scales] == [2.0**14] * 2

        # Each half computed in two parts, batch norm and all, is the whole batch on one device.
        from kres.training.gradients import accumulated

        images = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)

        def made():
            keras.utils.set_random_seed(0)
            norm = keras.layers.BatchNormalization(trainable=False)
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), norm, keras.layers.Dense(2)])
            optimizer = make_optimizer(Optimizer(kind="lamb", weight_decay=0.01), 0.1)
            optimizer.build(model.trainable_variables)

            def compute(x):
                weights = [weight.value for weight in model.trainable_variables]
                with tf.GradientTape() as tape:
                    loss = tf.reduce_sum(model(x, training=True) ** 2) / 8
                return tape.gradient(loss, weights)

            return model, optimizer, compute

        with strategy.scope():
            model, optimizer, compute = made()

        def replica_step():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            gradients = accumulated(compute, (tf.gather(images.reshape(2, 4, 3), number),), parts=2)
            apply(optimizer, clipped(reduced(gradients, optimizer), 1.0), model.trainable_variables)

        one, other, whole = made()
        step = tf.function(lambda: strategy.run(replica_step), autograph=False)
        for _ in range(3):
            step()
            gradients = clipped(reduced(whole(tf.constant(images)), other), 1.0)
            apply(other, gradients, one.trainable_variables)
        for found, expected in zip(model.get_weights(), one.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        """)
