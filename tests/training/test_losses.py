import numpy as np
import pytest
import tensorflow as tf

from kres.training.losses import distillation_loss, make_loss
from kres.training.settings import Loss


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _logits(seed=0):
    return np.random.default_rng(seed).normal(size=(6, 5)) * 3


LABELS = np.array([0, 4, 2, 1, 1, 3], np.int32)
MIXED = 0.7 * np.eye(5)[LABELS] + 0.3 * np.eye(5)[LABELS[::-1]]
# float32 against float64
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("targets", [LABELS, MIXED])
def test_softmax_equals_its_formula(targets, smoothing):
    loss = make_loss(Loss(label_smoothing=smoothing))
    found = loss(tf.constant(targets), tf.constant(_logits()))
    shares = np.eye(5)[targets] if targets.ndim == 1 else targets
    shares = shares * (1 - smoothing) + smoothing / 5
    expected = -(shares * np.log(_softmax(_logits()))).sum(axis=-1)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, **TOLERANCE)


@pytest.mark.parametrize(("smoothing", "threshold"), [(0.0, None), (0.1, None), (0.0, 0.2)])
@pytest.mark.parametrize("targets", [LABELS, MIXED])
def test_sigmoid_is_the_mean_over_the_classes(targets, smoothing, threshold):
    loss = make_loss(Loss(kind="sigmoid", label_smoothing=smoothing, target_threshold=threshold))
    found = loss(tf.constant(targets), tf.constant(_logits(), tf.float32))
    shares = np.eye(5)[targets] if targets.ndim == 1 else targets
    shares = shares * (1 - smoothing) + smoothing / 5
    if threshold is not None:
        shares = (shares > threshold).astype(float)
        assert targets.ndim == 1 or np.any(shares.sum(axis=-1) == 2)  # both classes of a mixed image are there
    right = 1 / (1 + np.exp(-_logits()))
    expected = -(shares * np.log(right) + (1 - shares) * np.log(1 - right)).mean(axis=-1)
    np.testing.assert_allclose(found, expected, **TOLERANCE)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_half_precision_logits_give_float32_losses(kind, dtype):
    logits = tf.cast(tf.constant(_logits(), tf.float32) * 40, dtype)
    found = make_loss(Loss(kind=kind))(tf.constant(LABELS), logits)
    expected = make_loss(Loss(kind=kind))(tf.constant(LABELS), tf.cast(logits, tf.float32))
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_is_the_divergence_times_the_square_of_the_temperature(temperature):
    teacher, student = _logits(1), _logits(2)
    found = distillation_loss(tf.constant(teacher), tf.constant(student), temperature)
    p, q = _softmax(teacher / temperature), _softmax(student / temperature)
    np.testing.assert_allclose(found, temperature**2 * (p * np.log(p / q)).sum(axis=-1), **TOLERANCE)
    assert np.all(np.abs(distillation_loss(tf.constant(teacher), tf.constant(teacher), temperature)) < 1e-6)


def test_a_teacher_gets_no_gradient_and_the_student_keeps_its_size():
    teacher, student = tf.Variable(_logits(1), dtype=tf.float32), tf.Variable(_logits(2) / 100, dtype=tf.float32)
    norms = []
    for temperature in (20.0, 40.0):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(distillation_loss(teacher, student, temperature))
        of_teacher, of_student = tape.gradient(loss, [teacher, student])
        assert of_teacher is None
        norms.append(np.linalg.norm(of_student))
    # Hinton et al. 2015, section 2: at high temperatures the gradient no longer hangs on the temperature.
    assert norms[1] == pytest.approx(norms[0], rel=0.05)
