"""Every recipe's own code runs, on a network and images so small that it takes seconds."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest

from kres.training import fit, list_recipes, load_model, recipe
from kres.training.data import Source, load
from kres.training.data.source import subset
from kres.training.settings.smoke import smoke


@pytest.fixture(scope="module")
def some_digits() -> Source:
    """Of all ten classes, and few: evaluation is not what takes the time here."""
    digits = load("digits")
    return replace(
        digits,
        train=subset(digits.train, np.arange(200)),
        test=subset(digits.test, np.arange(40)),
        flip_keeps_label=True,
    )


@pytest.fixture
def fresh_graph():
    yield
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_graph")
@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_runs(name, some_digits, tmp_path, caplog):
    result = fit(smoke(recipe(name)), data=some_digits, workdir=tmp_path)
    assert (result.steps, result.n_images) == (4, 40)
    assert all(math.isfinite(row.loss) for row in result.history) and result.history[-1].learning_rate > 0
    model = load_model(tmp_path)
    size = model.preprocess.size
    answers = np.asarray(model(np.zeros((1, size, size, 3), np.float32)))
    # bfloat16 nets end in float32 all the same; each of an int8 softmax's ten answers is rounded to 1/256.
    np.testing.assert_allclose(answers.sum(), 1, rtol=1e-3 if recipe(name).quantization is None else 10 / 512)
    taught = recipe(name).loss.teacher is not None
    assert ("is untrained: this run shows" in caplog.text) == taught
