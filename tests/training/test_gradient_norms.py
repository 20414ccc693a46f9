"""Each variable belongs to one stage, and the norms are NumPy's."""

import numpy as np
import pytest
import tensorflow as tf

import kres
from kres.training.gradient_norms import stage_norms, stages_of


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


def test_norms_are_numpys():
    """Half precision is summed in single: 1e-6 is four roundings of float32."""
    rng = np.random.default_rng(0)
    gradients = [rng.standard_normal(shape).astype("float32") for shape in ((3, 3), (5,), (2, 4, 4))]
    found = stage_norms([tf.constant(value) for value in gradients], {"stem": [0, 2], "head": [1]})
    expected = np.sqrt(sum((gradients[place].astype("float64") ** 2).sum() for place in (0, 2)))
    np.testing.assert_allclose(found["stem"], expected, rtol=1e-6)
    np.testing.assert_allclose(found["head"], np.linalg.norm(gradients[1].astype("float64")), rtol=1e-6)
    large = stage_norms([tf.constant([300.0, 400.0], tf.float16)], {"head": [0]})["head"]
    assert large.dtype == tf.float32 and float(large) == 500.0
