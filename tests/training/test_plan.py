import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from kres.training.plan import Plan, curve, describe, plan, sampled
from kres.training.recipes import list_recipes, recipe
from kres.training.settings import Recipe
from kres.training.settings.overrides import apply

DIGITS = recipe("digits_resnet20")


def test_epochs_become_steps():
    """1,281,167 images in batches of 8,192 are 156.39 steps; Goyal et al. 2017 with its rate of 0.1 a 256 images."""
    planned = plan(recipe("resnet50_goyal2017"), 1_281_167)
    assert planned.steps_per_epoch == pytest.approx(156.392, abs=1e-3)
    assert planned.steps == round(90 * 1_281_167 / 8192) == 14075
    assert (planned.warmup_steps, planned.decay_at_steps) == (782, (4692, 9384, 12511))
    assert planned.peak_learning_rate == pytest.approx(3.2)
    assert planned.evaluate_every_steps == 156
    assert planned.images_seen == 14075 * 8192 and planned.epochs == pytest.approx(90, abs=0.01)
    assert planned.rate(0) == pytest.approx(0.1) and planned.rate(1000) == pytest.approx(3.2)


def test_steps_stay_steps():
    planned = plan(DIGITS, 1198)
    assert (planned.steps, planned.warmup_steps, planned.decay_at_steps) == (1000, 66, (500, 750))
    assert (planned.evaluate_every_steps, planned.steps_per_unit, planned.peak_learning_rate) == (100, 1.0, 0.1)
    assert planned.epochs == pytest.approx(1000 * 64 / 1198)


def test_sizes_share_the_run_equally():
    planned = plan(apply(DIGITS, ["images.progressive_px=16,24"]), 1198)
    phases = [(phase.steps.start, phase.steps.stop, phase.size_px) for phase in planned.phases]
    assert phases == [(0, 333, 16), (333, 667, 24), (667, 1000, 32)]


def test_a_short_warmup_leaves_a_step():
    short = apply(
        DIGITS,
        [
            "schedule.unit=epochs",
            "schedule.length=0.1",
            "schedule.warmup=0.09",
            "schedule.kind=cosine",
            "schedule.decay_at=[]",
        ],
    )
    planned = plan(short, 640)
    assert (planned.steps, planned.warmup_steps) == (1, 0)


@pytest.mark.parametrize(
    ("images", "steps", "warmup", "evaluate_every"),
    [(16, 300, 20, 20), (640, 300, 20, 20), (641, 300, 20, 20), (3200, 1500, 100, 100)],
)
def test_few_images_stretch_the_run_to_its_least_steps(images, steps, warmup, evaluate_every):
    """10 epochs of 640 images in batches of 32 are 200 steps: the schedule keeps its shape over 300."""
    short = apply(recipe("transfer"), ["schedule.length=15", "schedule.warmup=1", "schedule.least_steps=300"])
    planned = plan(short, images)
    assert (planned.steps, planned.warmup_steps, planned.evaluate_every_steps) == (steps, warmup, evaluate_every)
    assert planned.rate(warmup) == pytest.approx(short.schedule.learning_rate)
    assert planned.rate(steps - 1) < planned.rate(steps // 2) < planned.rate(warmup)


def test_a_length_of_the_users_own_is_not_stretched():
    assert plan(recipe("transfer").with_length(3, "epochs"), 64).steps == 6
    assert plan(recipe("transfer").with_length(7), 64).steps == 7


def test_fewer_images_than_a_batch_come_more_than_once_in_it():
    assert plan(DIGITS, 50).times_in_a_batch == 1.28
    copies = apply(DIGITS, ["augmentation.repeats=2"])
    assert plan(copies, 50).times_in_a_batch == 0.64


def test_what_the_data_cannot_give_is_refused():
    with pytest.raises(ValueError, match=r"accumulate=3\): use 63 or 66. Received: batch_size=64"):
        plan(apply(DIGITS, ["optimizer.accumulate=3"]), 1198)
    with pytest.raises(ValueError, match=r"2 step\(s\) has no room for 3 sizes"):
        plan(apply(DIGITS.with_length(2), ["images.progressive_px=16,24"]), 1198)


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_can_be_planned(name):
    planned = plan(recipe(name), 1_281_167)
    assert planned.phases[0].steps.start == 0 and planned.phases[-1].steps.stop == planned.steps
    assert all(planned.warmup_steps < at < planned.steps for at in planned.decay_at_steps)


def test_samples_hold_both_ends():
    assert sampled(5, 101) == [0, 1, 2, 3, 4] and sampled(1, 10) == [0]
    assert sampled(1000, 11)[0] == 0 and sampled(1000, 11)[-1] == 999 and len(sampled(1000, 11)) == 11


def test_a_curve_is_as_high_as_its_rates():
    rows = curve(lambda step: 1.0 if step < 50 else 0.5, 100, width=10, height=4).splitlines()
    assert [row.count("█") for row in rows] == [5, 5, 10, 10]


def shown(planned: Plan, before: Recipe) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(describe(planned, classes=10, before=before))
    return console.export_text()


def test_the_description_shows_recipe_changes_figures_rates_and_memory():
    changed = apply(DIGITS, ["schedule.learning_rate=0.2"])
    text = shown(plan(changed, 1198), before=DIGITS)
    marked = [line for line in text.splitlines() if line.rstrip().endswith("changed")]
    assert [line.split()[:2] for line in marked] == [["schedule.learning_rate", "0.2"]]
    for word in ("network.row", "1,198", "1,000 of 64 images", "step 500, step 750", "MiB", "█"):
        assert word in text


def test_what_is_shown_as_unset_can_be_typed_back():
    rows = [line.split() for line in shown(plan(DIGITS, 1198), before=DIGITS).splitlines()]
    unset = [f"{row[0]}={row[1]}" for row in rows if row[1:] in (["none"], ["[]"])]
    assert {"network.weights=none", "network.depths=[]", "loss.teacher=none"} <= set(unset)
    assert apply(DIGITS, unset) == DIGITS


def test_the_plan_as_json():
    stored = json.loads(json.dumps(plan(DIGITS, 1198).to_dict(classes=10)))
    assert stored["steps"] == 1000 and stored["recipe"]["batch_size"] == 64
    rates = {row["step"]: row["rate"] for row in stored["learning_rates"]}
    assert rates[999] == pytest.approx(0.001) and len(rates) == 101
    assert stored["memory_bytes"]["activations"] > 0


def test_sampled_rates_are_finite():
    planned = plan(replace(DIGITS, batch_size=32), 1198)
    assert all(math.isfinite(planned.rate(step)) for step in sampled(planned.steps, 7))
