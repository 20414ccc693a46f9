"""What was changed in a published recipe, as the record of a run tells."""

from dataclasses import replace

import pytest

from kres.training import recipe
from kres.training.changes import changes_of, words_of
from kres.training.settings import overrides

PUBLISHED = recipe("cifar_resnet20")


def test_a_published_recipe_has_no_changes():
    assert changes_of(PUBLISHED.to_dict()) == {}


def test_changes_are_pairs_by_field():
    changed = overrides.apply(PUBLISHED, ["batch_size=32", "optimizer.nesterov=true", "loss.teacher.row=resnet18"])
    found = changes_of(changed.to_dict())
    assert found["batch_size"] == (128, 32) and found["optimizer.nesterov"] == (False, True)
    assert list(found) == ["batch_size", "optimizer.nesterov", "loss.teacher"]
    old, new = map(words_of, found["loss.teacher"])
    assert old == "-" and new.startswith("row resnet18")


def test_of_another_length_what_follows_from_it_is_left_out():
    old, unit = PUBLISHED.schedule.length, PUBLISHED.schedule.unit
    assert changes_of(PUBLISHED.with_length(31, unit).to_dict()) == {"schedule.length": (old, 31)}
    other = "epochs" if unit == "steps" else "steps"
    found = changes_of(PUBLISHED.with_length(31, other).to_dict())
    assert found == {"schedule.unit": (unit, other), "schedule.length": (old, 31)}
    shorter = PUBLISHED.with_length(31, unit)
    moved = replace(shorter, schedule=replace(shorter.schedule, decay_at=(3.0,)))
    assert changes_of(moved.to_dict())["schedule.decay_at"] == (list(PUBLISHED.schedule.decay_at), [3.0])


def test_a_recipe_of_an_older_version_is_compared_in_the_fields_it_has():
    assert changes_of({"name": PUBLISHED.name, "batch_size": 8, "steps": 3}) == {
        "batch_size": (PUBLISHED.batch_size, 8),
        "steps": (None, 3),
    }


def test_words_about_a_recipe_are_no_changes():
    assert changes_of({**PUBLISHED.to_dict(), "about": {"paper": "another"}}) == {}


def test_a_recipe_of_ones_own_is_compared_with_nothing():
    assert changes_of({**PUBLISHED.to_dict(), "name": "mine"}) is None


@pytest.mark.parametrize(
    ("value", "words"), [(None, "-"), ([], "-"), ([2, 0.5], "2 0.5"), (1e-4, "0.0001"), (True, "True"), ("a", "a")]
)
def test_values_in_words(value, words):
    assert words_of(value) == words
