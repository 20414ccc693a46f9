import math
from dataclasses import replace

import numpy as np
import pytest

import kres
from kres.training import Recipe, fit, load_model
from kres.training.models import training_model
from tests.training.tiny import tiny_recipe, tiny_source


def from_weights(weights: str, *, zero_init_head: bool) -> Recipe:
    """A few steps of a small network from trained weights, every step logged."""
    base = tiny_recipe(steps=2, log_every_steps=1)
    network = replace(base.network, depths=(1, 1, 1), weights=weights, zero_init_head=zero_init_head)
    return replace(base, network=network)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> str:
    """Weights of a network whose head has as many classes as the data."""
    spec = replace(kres.spec("cifar_resnet20"), depths=(1, 1, 1), params=None)
    path = tmp_path_factory.mktemp("weights") / "trained.safetensors"
    kres.export_weights(kres.build(spec, classes=3, input_shape=(8, 8, 3)), path)
    return str(path)


def test_a_head_starts_at_zero_whatever_the_weights_have_for_it(trained):
    """As BiT's fine-tuning does (bit_pytorch/train.py: zero_head); the backbone is the weights' all the same."""
    kept, zero = (
        {weight.path: weight.numpy() for weight in training_model(chosen, classes=3).weights}
        for chosen in (from_weights(trained, zero_init_head=zero) for zero in (False, True))
    )
    head = [path for path in kept if path.startswith("predictions/")]
    assert len(head) == 2 and np.any(kept["predictions/kernel"])
    assert not any(zero[path].any() for path in head)
    for path in kept.keys() - set(head):
        np.testing.assert_array_equal(kept[path], zero[path])


def test_a_head_at_zero_begins_with_equal_classes_and_learns(trained, tmp_path):
    result = fit(from_weights(trained, zero_init_head=True), data=tiny_source(), workdir=tmp_path)
    assert result.history[0].loss == pytest.approx(math.log(3), rel=1e-6)
    assert np.any(load_model(tmp_path).get_layer("predictions").get_weights()[0])
