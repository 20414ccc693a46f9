import keras
import numpy as np
import pytest
import tensorflow as tf

from kres.training.optimisation import SGD, WarmupStepDecay


def _rates(schedule, count):
    return [float(schedule(step)) for step in range(count)]


def test_steps_divide_the_rate():
    schedule = WarmupStepDecay(0.1, decay_at_steps=(3, 5), decay_factor=0.1)
    np.testing.assert_allclose(_rates(schedule, 7), [0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-6)


def test_warmup_is_linear_from_its_start_and_ends_at_the_rate():
    schedule = WarmupStepDecay(0.5, warmup_steps=4, warmup_learning_rate=0.0)
    np.testing.assert_allclose(_rates(schedule, 6), [0.1, 0.2, 0.3, 0.4, 0.5, 0.5], rtol=1e-6)
    raised = WarmupStepDecay(0.5, warmup_steps=4, warmup_learning_rate=0.3)
    np.testing.assert_allclose(np.diff(_rates(raised, 6)), [0.04, 0.04, 0.04, 0.04, 0.0], atol=1e-7)


def _reference(weight, gradients, rates, momentum, decay):
    """Caffe's SGD: the L2 term joins the gradient, the rate is inside the velocity."""
    velocity = np.zeros_like(weight)
    for gradient, rate in zip(gradients, rates, strict=True):
        gradient = gradient + decay * weight
        velocity = momentum * velocity - rate * gradient
        weight = weight + velocity
    return weight


@pytest.mark.parametrize(("shape", "decays"), [((3, 3, 2, 4), True), ((5, 4), True), ((4,), False)])
def test_updates_equal_numpy(shape, decays):
    rng = np.random.default_rng(0)
    start = rng.normal(size=shape).astype(np.float32)
    gradients = rng.normal(size=(12, *shape)).astype(np.float32)
    schedule = WarmupStepDecay(0.1, warmup_steps=3, decay_at_steps=(6, 9))
    weight = keras.Variable(start)
    optimizer = SGD(schedule, momentum=0.9, l2=0.05)
    optimizer.build([weight])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [weight]))
    for gradient in gradients:
        step(tf.constant(gradient))
    expected = _reference(start, gradients, _rates(schedule, 12), 0.9, 0.05 if decays else 0.0)
    # float32 rounding over 12 updates
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert int(optimizer.iterations) == 12


def test_decay_acts_inside_the_momentum():
    # Zero gradients, rate 0.1, decay 0.01, momentum 0.9: the papers' L2 leaves 0.12 of a weight after 200 steps; decay
    # outside the momentum would leave 0.82.
    weight = keras.Variable(np.ones((1, 1), np.float32))
    optimizer = SGD(WarmupStepDecay(0.1), momentum=0.9, l2=0.01)
    for _ in range(200):
        optimizer.apply([tf.zeros((1, 1))], [weight])
    assert abs(weight.numpy().item() - 0.12) < 0.02


def test_an_update_is_few_nodes():
    variables = [keras.Variable(np.ones((2, 2), np.float32)) for _ in range(50)]
    optimizer = SGD(WarmupStepDecay(0.1), momentum=0.9, l2=0.01)
    optimizer.build(variables)
    graph = tf.function(lambda: optimizer.apply([tf.ones((2, 2))] * 50, variables)).get_concrete_function().graph
    assert len(graph.get_operations()) < 50 * 12


def test_config_says_what_it_was_made_of():
    config = SGD(WarmupStepDecay(0.1, decay_at_steps=(3,)), momentum=0.8, l2=0.1).get_config()
    assert config["momentum"] == 0.8 and config["l2"] == 0.1
    assert WarmupStepDecay(**config["schedule"]).decay_at_steps == (3,)
