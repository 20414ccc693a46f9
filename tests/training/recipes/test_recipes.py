import csv
import dataclasses
import json
from functools import reduce
from pathlib import Path

import pytest

from kres.training.recipes import list_recipes, recipe
from kres.training.settings import Recipe
from kres.training.settings.overrides import apply

# recipe, field, published value, its source, and the value here where the recipe represents it differently.
PUBLISHED = list(csv.DictReader((Path(__file__).parent / "published.csv").read_text(encoding="utf-8").splitlines()))
DECISIVE = {
    "network.row",
    "batch_size",
    "optimizer.kind",
    "optimizer.weight_decay",
    "schedule.length",
    "schedule.learning_rate",
    "images.train_size_px",
}
OURS = "chosen here"
# What papers leave to their code: pixels' statistics, how evaluation crops, whether the rate stands in the momentum,
# and whose weights a teacher has.
UNPUBLISHED = {
    "images.mean",
    "images.std",
    "images.crop",
    "images.test_size_px",
    "optimizer.momentum_form",
    "loss.teacher.weights",
}


def field(recipe: Recipe, key: str) -> object:
    return reduce(getattr, key.split("."), recipe)


def chosen_fields(part, prefix=""):
    """The names of the fields that have another value than the default, those of parts within `part` too."""
    for each in dataclasses.fields(part):
        value, key = getattr(part, each.name), f"{prefix}{each.name}"
        if dataclasses.is_dataclass(value):
            yield from chosen_fields(value, f"{key}.")
        elif key != "name" and not key.startswith("about.") and value != each.default:
            yield key


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row['recipe']}-{row['field']}")
def test_the_recipe_has_the_published_value(row):
    """`apply` reads the table's text as the field's type; a recipe that it changes did not have the value."""
    chosen = recipe(row["recipe"])
    value = field(apply(chosen, [f"{row['field']}={row['here'] or row['value']}"]), row["field"])
    assert field(chosen, row["field"]) == value
    assert row["source"]
    if row["here"]:
        assert row["here"] != row["value"] and chosen.about.departures


@pytest.mark.parametrize("name", list_recipes())
def test_the_table_covers_the_recipe(name):
    """Of each recipe what decides it, and of a published one all that it sets but how kres watches and shows it."""
    rows = [row for row in PUBLISHED if row["recipe"] == name]
    listed = [row["field"] for row in rows]
    assert len(set(listed)) == len(listed)
    assert set(listed) >= DECISIVE, DECISIVE - set(listed)
    if not any(row["source"].startswith(OURS) for row in rows):
        unlisted = set(chosen_fields(recipe(name))) - set(listed) - UNPUBLISHED
        assert not {key for key in unlisted if not key.startswith("watch.")}


def test_the_table_has_no_other_recipe():
    assert {row["recipe"] for row in PUBLISHED} == set(list_recipes())


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_says_where_it_comes_from_and_survives_json(name):
    chosen = recipe(name)
    assert chosen.name == name
    about = chosen.about
    assert all((about.paper, about.data, about.hardware, about.expected))
    assert chosen.command == f"kres train {about.data} --recipe {name} --workdir runs/{name}"
    assert Recipe.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen


def test_the_papers_are_there():
    """Of each paper one name at least."""
    expected = {
        *(f"cifar_resnet{depth}" for depth in (20, 32, 44, 56, 110, 1202)),
        *(f"cifar_resnetv2_{depth}" for depth in (110, 164, 1001)),
        *(f"resnetrs{depth}" for depth in (50, 101, 152, 200, 270, 350, 420)),
        *(f"resnet50_{name}" for name in ("he2015", "goyal2017", "torchvision_v1", "torchvision_v2", "a1", "a2", "a3")),
        *("bit_small", "bit_medium", "bit_large", "transfer", "resnet50d_bag_of_tricks", "resnext50_32x4d_xie2017"),
    }
    assert expected <= set(list_recipes())


def test_an_unknown_name_names_the_closest():
    with pytest.raises(ValueError, match=r"cifar_resnet20.*Received: 'cifar_resnet2'"):
        recipe("cifar_resnet2")
    with pytest.raises(ValueError, match=r"no recipe of that name.*Received: '_bases'"):
        recipe("_bases")
