import keras
import numpy as np
import pytest
import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training import step as step_module
from kres.training.optimisation import SGD
from kres.training.step import Sums, make_train_step, without_graph_passes

PREPROCESS = Preprocess(size=4, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def _linear():
    inputs = keras.Input((4, 4, 3))
    outputs = keras.layers.Dense(3, kernel_initializer="glorot_uniform")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)


def _made(model, batch_size, rate=0.1):
    optimizer = SGD(rate, momentum=0.9, weight_decay=0.01)
    optimizer.build(model.trainable_variables)
    sums = Sums(model.trainable_variables)

    def objective(images, labels):
        logits = model(PREPROCESS(images), training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return losses, tf.math.count_nonzero(tf.argmax(logits, axis=1, output_type=tf.int32) == labels)

    spec = (tf.TensorSpec((batch_size, 4, 4, 3), tf.uint8), tf.TensorSpec((batch_size,), tf.int32))
    train_step = make_train_step(
        model,
        optimizer,
        sums,
        objective=objective,
        batch_size=batch_size,
        strategy=tf.distribute.get_strategy(),
        element_spec=spec,
    )
    return train_step, sums


def _batches(count, batch_size):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, batch_size, 4, 4, 3), dtype=np.uint8)
    return images, rng.integers(0, 3, (count, batch_size), dtype=np.int32)


def test_twenty_steps_equal_numpy():
    keras.utils.set_random_seed(0)
    model = _linear()
    kernel, bias = (w.astype(np.float64) for w in model.get_weights())
    train_step, sums = _made(model, 6)
    images, labels = _batches(20, 6)
    velocities = np.zeros_like(kernel), np.zeros_like(bias)
    for x, y in zip(images, labels, strict=True):
        train_step(tf.constant(x), tf.constant(y))
        inputs = ((x / 255 - 0.5) / 0.25).reshape(6, -1)
        logits = inputs @ kernel + bias
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        loss = -np.log(probabilities[np.arange(6), y]).mean()
        difference = (probabilities - np.eye(3)[y]) / 6
        gradients = inputs.T @ difference + 0.01 * kernel, difference.sum(axis=0)
        velocities = tuple(0.9 * v - 0.1 * g for v, g in zip(velocities, gradients, strict=True))
        kernel, bias = kernel + velocities[0], bias + velocities[1]
        found = sums.read(tf.distribute.get_strategy())
        # float32 against float64, through up to 20 updates
        assert found.loss == pytest.approx(loss, rel=1e-4, abs=1e-5)
        assert found.correct == np.sum(logits.argmax(axis=1) == y)
        assert found.finite_steps == 1
        squares = [np.sum(gradient**2) for gradient in (inputs.T @ difference, difference.sum(axis=0))]
        np.testing.assert_allclose(found.gradient_squares, squares, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], bias, rtol=1e-4, atol=1e-5)


def test_sums_count_the_steps_before_the_first_bad_one():
    model = _linear()
    train_step, sums = _made(model, 2)
    images, labels = _batches(5, 2)
    for number, (x, y) in enumerate(zip(images, labels, strict=True)):
        if number == 3:
            model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
        train_step(tf.constant(x), tf.constant(y))
    found = sums.read(tf.distribute.get_strategy())
    assert np.isnan(found.loss) and found.finite_steps == found.finite_gradients == 3
    assert np.isfinite(found.gradient_squares).all()  # of the good steps
    again = sums.read(tf.distribute.get_strategy())
    assert (again.loss, again.correct, again.finite_steps, again.gradient_squares.tolist()) == (0.0, 0, 0, [0.0, 0.0])


def test_the_step_is_traced_once():
    train_step, _ = _made(_linear(), 2)
    traced = []
    model = _linear()
    call = model.call
    model.call = lambda *args, **kwargs: traced.append(1) or call(*args, **kwargs)
    train_step, _ = _made(model, 2)
    images, labels = _batches(3, 2)
    for x, y in zip(images, labels, strict=True):
        train_step(tf.constant(x), tf.constant(y))
    assert len(traced) == 1


def _options():
    return tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)


@pytest.mark.parametrize(("threshold", "off"), [(1, True), (300, False)])
def test_graph_passes_are_off_while_a_deep_net_runs(monkeypatch, threshold, off):
    monkeypatch.setattr(step_module, "DEEP_LAYERS", threshold)
    assert without_graph_passes(_options, _linear())() == off
    assert not _options()


def test_graph_passes_come_back_after_an_error(monkeypatch):
    monkeypatch.setattr(step_module, "DEEP_LAYERS", 1)

    def fail():
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match=r"no memory"):
        without_graph_passes(fail, _linear())()
    assert not _options()
