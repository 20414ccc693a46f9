import csv
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


def field(recipe: Recipe, key: str) -> object:
    return reduce(getattr, key.split("."), recipe)


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
    listed = [row["field"] for row in PUBLISHED if row["recipe"] == name]
    assert len(set(listed)) == len(listed)
    assert set(listed) >= DECISIVE, DECISIVE - set(listed)


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
