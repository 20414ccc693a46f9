"""Each variable belongs to one stage."""

import pytest

import kres
from kres.training.gradient_norms import stages_of


@pytest.mark.parametrize("name", ["cifar_resnet20", "cifar_resnetv2_110", "seresnet50"])
def test_every_variable_of_a_network_has_its_stage(name):
    model = kres.build(name, classes=10)
    variables = model.trainable_variables
    stages = stages_of(variables)
    expected = ["stem", *(f"stage{number}" for number in range(1, len(model.spec.depths) + 1)), "head"]
    assert list(stages) == expected
    assert sorted(place for places in stages.values() for place in places) == list(range(len(variables)))
    assert all(variables[place].path.split("/")[-2].startswith("stage2_") for place in stages["stage2"])
    assert model.get_layer("predictions").kernel.path in [variables[place].path for place in stages["head"]]


def test_frozen_parts_have_no_norm():
    model = kres.build("cifar_resnet20", classes=10)
    kres.freeze(model, until="stage2")
    assert list(stages_of(model.trainable_variables)) == ["stage3", "head"]
