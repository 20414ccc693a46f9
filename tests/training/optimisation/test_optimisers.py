from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kres.training.optimisation import LAMB, LARS, OPTIMIZERS, SGD, AdamW, RateSchedule, make_optimizer
from kres.training.settings import Optimizer
from tests.support import skip_or_fail
from tests.training.optimisation.references import adam, sgd

STEPS = 50
SCHEDULE = RateSchedule("step", 0.1, steps=STEPS, warmup_steps=5, decay_at_steps=(20, 35), warmup_learning_rate=0.01)
RATES = [float(SCHEDULE(step)) for step in range(STEPS)]
DECAY = 0.05
SGD_FIELDS: dict[str, Any] = {"momentum": 0.9, "weight_decay": DECAY}
ADAM_FIELDS: dict[str, Any] = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-3, "weight_decay": DECAY}
# float32 rounding over 50 updates of weights of size 1
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}

CASES = {
    "caffe": (SGD(SCHEDULE, **SGD_FIELDS), lambda *a, decay: sgd(*a, momentum=0.9, decay=decay)),
    "caffe nesterov": (
        SGD(SCHEDULE, **SGD_FIELDS, nesterov=True),
        lambda *a, decay: sgd(*a, momentum=0.9, decay=decay, nesterov=True),
    ),
    "torch": (
        SGD(SCHEDULE, **SGD_FIELDS, momentum_form="torch"),
        lambda *a, decay: sgd(*a, momentum=0.9, decay=decay, form="torch"),
    ),
    "torch nesterov": (
        SGD(SCHEDULE, **SGD_FIELDS, momentum_form="torch", nesterov=True),
        lambda *a, decay: sgd(*a, momentum=0.9, decay=decay, form="torch", nesterov=True),
    ),
    "lars": (
        LARS(SCHEDULE, **SGD_FIELDS, trust=0.02),
        lambda *a, decay: sgd(*a, momentum=0.9, decay=decay, trust=0.02 if decay else None),
    ),
    "lamb": (
        LAMB(SCHEDULE, **ADAM_FIELDS),
        lambda *a, decay: adam(*a, betas=(0.9, 0.99), epsilon=1e-3, decay=decay, lamb=True, adapts=bool(decay)),
    ),
    "adamw": (
        AdamW(SCHEDULE, **ADAM_FIELDS),
        lambda *a, decay: adam(*a, betas=(0.9, 0.99), epsilon=1e-3, decay=decay),
    ),
}
SHAPES = {"kernel": (3, 3, 2, 4), "dense": (5, 4), "bias": (4,)}


def _problem(seed=0):
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=shape) for shape in SHAPES.values()]
    gradients = [rng.normal(size=(STEPS, *shape)) for shape in SHAPES.values()]
    return starts, gradients


def _trained(optimizer, starts, gradients):
    weights = [keras.Variable(start.astype(np.float32)) for start in starts]
    optimizer = type(optimizer).from_config(optimizer.get_config())  # fresh, and the config holds everything
    optimizer.build(weights)
    step = tf.function(lambda values: optimizer.apply(values, weights), autograph=False)
    for number in range(STEPS):
        step([tf.constant(values[number], tf.float32) for values in gradients])
    assert int(optimizer.iterations) == STEPS
    return [weight.numpy() for weight in weights]


@pytest.mark.parametrize("case", CASES)
def test_fifty_updates_equal_numpy(case):
    optimizer, reference = CASES[case]
    starts, gradients = _problem()
    found = _trained(optimizer, starts, gradients)
    for name, weight, start, values in zip(SHAPES, found, starts, gradients, strict=True):
        expected = reference(start, values, RATES, decay=0.0 if name == "bias" else DECAY)
        np.testing.assert_allclose(weight, expected, **TOLERANCE, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_on_request_biases_and_norms_decay_too(case):
    optimizer, reference = CASES[case]
    starts, gradients = _problem(1)
    optimizer = type(optimizer).from_config(optimizer.get_config() | {"decay_norms_and_biases": True})
    found = _trained(optimizer, starts, gradients)[-1]
    expected = reference(starts[-1], gradients[-1], RATES, decay=DECAY)
    np.testing.assert_allclose(found, expected, **TOLERANCE)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(_trained(CASES[case][0], starts, gradients)[-1], expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("case", "name", "options"),
    [
        ("torch", "SGD", {"momentum": 0.9}),
        ("torch nesterov", "SGD", {"momentum": 0.9, "nesterov": True}),
        ("adamw", "AdamW", {"betas": (0.9, 0.99), "eps": 1e-3}),
    ],
)
def test_fifty_updates_equal_pytorch(case, name, options):
    if find_spec("torch") is None:
        skip_or_fail("PyTorch is not installed")
    import torch

    starts, gradients = _problem(2)
    weights = [torch.nn.Parameter(torch.tensor(start, dtype=torch.float32)) for start in starts]
    groups = [{"params": [weight], "weight_decay": DECAY if weight.dim() > 1 else 0.0} for weight in weights]
    optimizer = getattr(torch.optim, name)(groups, lr=0.1, **options)
    for number, rate in enumerate(RATES):
        for group, weight, values in zip(optimizer.param_groups, weights, gradients, strict=True):
            group["lr"] = rate
            weight.grad = torch.tensor(values[number], dtype=torch.float32)
        optimizer.step()
    for found, weight in zip(_trained(CASES[case][0], starts, gradients), weights, strict=True):
        np.testing.assert_allclose(found, weight.detach().numpy(), **TOLERANCE)


def test_the_forms_of_momentum_part_where_the_rate_changes():
    starts, gradients = _problem(3)
    inside, outside = (_trained(CASES[form][0], starts, gradients)[0] for form in ("caffe", "torch"))
    assert np.abs(inside - outside).max() > 0.01
    constant = [SGD(0.1, **SGD_FIELDS, momentum_form=form) for form in ("caffe", "torch")]
    inside, outside = (_trained(optimizer, starts, gradients)[0] for optimizer in constant)
    np.testing.assert_allclose(inside, outside, **TOLERANCE)


def test_decay_acts_inside_the_momentum():
    # Zero gradients, rate 0.1, decay 0.01, momentum 0.9: the papers' L2 leaves 0.12 of a weight after 200 steps; decay
    # outside the momentum would leave 0.82.
    weight = keras.Variable(np.ones((1, 1), np.float32))
    optimizer = SGD(0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(200):
        optimizer.apply([tf.zeros((1, 1))], [weight])
    assert abs(weight.numpy().item() - 0.12) < 0.02


@pytest.mark.parametrize("optimizer", [LARS(0.1, weight_decay=0.1), LAMB(0.1, weight_decay=0.1)])
def test_a_weight_that_starts_at_zero_leaves_it(optimizer):
    weight = keras.Variable(np.zeros((2, 2), np.float32))
    optimizer.apply([tf.ones((2, 2))], [weight])
    # LAMB's first step is the gradient's sign; both go without a trust ratio.
    np.testing.assert_allclose(weight.numpy(), -0.1, rtol=1e-4)
    optimizer.apply([tf.zeros((2, 2))], [weight])
    assert np.all(np.isfinite(weight.numpy()))


@pytest.mark.parametrize(("optimizer", "limit"), [(SGD, 12), (LARS, 32), (LAMB, 60), (AdamW, 30)])
def test_an_update_is_few_nodes(optimizer, limit):
    variables = [keras.Variable(np.ones((2, 2), np.float32)) for _ in range(50)]
    made = optimizer(SCHEDULE, weight_decay=0.01)
    made.build(variables)
    graph = tf.function(lambda: made.apply([tf.ones((2, 2))] * 50, variables)).get_concrete_function().graph
    assert len(graph.get_operations()) < 50 * limit


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_recipe_makes_each_kind(kind):
    fields = Optimizer(kind=kind, momentum=0.8, weight_decay=0.01, decay_norms_and_biases=True)
    made = make_optimizer(fields, SCHEDULE)
    config = made.get_config()
    assert config["weight_decay"] == 0.01 and config["decay_norms_and_biases"]
    assert config.get("momentum", config.get("beta_1")) == 0.8
    assert float(made.schedule(0)) == RATES[0]
    in_half = make_optimizer(fields, SCHEDULE, dtype="mixed_float16")
    assert type(in_half.inner_optimizer) is type(made) and in_half.initial_scale == 2.0**15
    assert float(in_half.schedule(0)) == RATES[0]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_stock_fit_and_a_saved_model_take_them(kind, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(make_optimizer(Optimizer(kind=kind, weight_decay=0.01), SCHEDULE), "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(8, 3)), rng.normal(size=(8, 2)), batch_size=4, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert loaded.get_config() == model.optimizer.get_config()
    for found, expected in zip(loaded.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_an_unknown_form_of_momentum_is_refused():
    with pytest.raises(ValueError, match=r"one of caffe, torch. Received: momentum_form='keras'"):
        SGD(0.1, momentum_form="keras")
