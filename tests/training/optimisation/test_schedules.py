import keras
import numpy as np
import pytest

from kres.training.optimisation import RateSchedule, make_schedule
from kres.training.settings import Schedule


def _rates(schedule, count):
    return [float(schedule(step)) for step in range(count)]


def test_steps_divide_the_rate():
    schedule = RateSchedule("step", 0.1, steps=7, decay_at_steps=(3, 5), decay_factor=0.1)
    np.testing.assert_allclose(_rates(schedule, 7), [0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-6)


def test_a_linear_warmup_starts_at_its_rate_and_the_decay_follows_it():
    schedule = RateSchedule("constant", 0.5, steps=9, warmup_steps=4, warmup_learning_rate=0.1)
    np.testing.assert_allclose(_rates(schedule, 6), [0.1, 0.2, 0.3, 0.4, 0.5, 0.5], rtol=1e-6)


def test_a_constant_warmup_holds_its_rate():
    schedule = RateSchedule(
        "step", 0.1, steps=9, warmup_steps=3, warmup_kind="constant", warmup_learning_rate=0.01, decay_at_steps=(5,)
    )
    np.testing.assert_allclose(_rates(schedule, 6), [0.01, 0.01, 0.01, 0.1, 0.1, 0.01], rtol=1e-6)


@pytest.mark.parametrize("warmup", [0, 1, 13])
@pytest.mark.parametrize("span", ["after_warmup", "whole_run"])
@pytest.mark.parametrize(("kind", "power"), [("cosine", 1.0), ("polynomial", 1.0), ("polynomial", 2.0)])
def test_decays_equal_their_formulae(kind, power, span, warmup):
    steps, peak, end = 60, 0.8, 0.02
    schedule = RateSchedule(
        kind, peak, steps=steps, warmup_steps=warmup, decay_span=span, power=power, end_learning_rate=end
    )
    done = np.arange(steps + 1)
    start = warmup if span == "after_warmup" else 0
    share = (done - start) / (steps - start)
    height = 0.5 * (1 + np.cos(np.pi * share)) if kind == "cosine" else np.maximum(1 - share, 0) ** power
    expected = np.where(done < warmup, peak * done / max(warmup, 1), end + (peak - end) * height)
    found = _rates(schedule, steps + 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert found[-1] == pytest.approx(end, rel=1e-5)
    assert np.all(np.diff(found[warmup:]) <= 0) and np.all(np.diff(found[:warmup]) >= 0)


def test_cosine_equals_keras():
    ours = RateSchedule("cosine", 0.8, steps=50, warmup_steps=10, warmup_learning_rate=0.1, end_learning_rate=0.08)
    theirs = keras.optimizers.schedules.CosineDecay(0.1, 40, alpha=0.1, warmup_target=0.8, warmup_steps=10)
    # float32 on both sides
    np.testing.assert_allclose(_rates(ours, 55), _rates(theirs, 55), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "linear"}, "kind must be one of constant, step, cosine, polynomial. Received: kind='linear'"),
        ({"decay_span": "run"}, "Received: decay_span='run'"),
        ({"warmup_kind": "cosine"}, "Received: warmup_kind='cosine'"),
        ({"warmup_steps": 10}, r"lie in 0\.\.9. Received: warmup_steps=10"),
    ],
)
def test_what_makes_no_schedule_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RateSchedule(**{"kind": "constant", "learning_rate": 0.1, "steps": 10, **options})


def test_a_recipe_counts_in_its_unit_and_scales_with_the_batch():
    recipe = Schedule(
        unit="epochs",
        length=90,
        kind="step",
        learning_rate=0.1,
        per_images=256,
        warmup=5,
        warmup_learning_rate=0.02,
        decay_at=(30, 60, 80),
    )
    schedule = make_schedule(recipe, steps=900, steps_per_unit=10.0, batch_size=1024)
    assert (schedule.warmup_steps, schedule.decay_at_steps) == (50, (300, 600, 800))
    np.testing.assert_allclose(
        [float(schedule(step)) for step in (0, 25, 50, 299, 300, 600, 899)],
        [0.08, 0.24, 0.4, 0.4, 0.04, 0.004, 0.0004],
        rtol=1e-5,
    )


def test_a_run_of_one_step_has_no_warmup():
    recipe = Schedule(unit="epochs", length=0.01, kind="cosine", learning_rate=0.1, warmup=0.006)
    assert _rates(make_schedule(recipe, steps=1, steps_per_unit=100, batch_size=8), 1) == [pytest.approx(0.1)]


def test_a_schedule_is_saved_and_loaded():
    schedule = RateSchedule("step", 0.1, steps=9, decay_at_steps=(3,), warmup_steps=2)
    stored = keras.optimizers.schedules.serialize(schedule)
    assert _rates(keras.optimizers.schedules.deserialize(stored), 9) == _rates(schedule, 9)
