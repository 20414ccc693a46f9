from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from kres.training.plan import plan
from kres.training.state import State
from tests.training.tiny import tiny_recipe


def _recipe():
    tiny = tiny_recipe()
    return replace(
        tiny,
        network=replace(tiny.network, depths=(1, 1, 1), drop_path=0.2, dropout=0.2, dtype="mixed_float16"),
        averaging=replace(tiny.averaging, ema_decay=0.9),
    )


def _made():
    return State(plan(_recipe(), 20), classes=3)


def _values(state):
    parts = [
        *state.model.variables,  # and with them the seeds and counts of what draws random numbers
        *state.optimizer.variables,
        *state.optimizer.inner_optimizer.variables,
        state.average.calls,
        *state.average.averages,
    ]
    return [variable.numpy() if hasattr(variable, "numpy") else np.asarray(variable) for variable in parts]


def test_a_checkpoint_holds_everything_that_a_run_carries(tmp_path):
    recipe = _recipe()
    keras.utils.set_random_seed(1)
    one = _made()
    generators = [variable for variable in one.model.variables if "seed_generator" in variable.path]
    assert len(generators) == 3  # of two blocks whose drop path is not 0, and of dropout
    one.model(tf.ones((4, 8, 8, 3)), training=True)
    assert [generator.numpy()[1] for generator in generators] == [1, 1, 1]
    one.optimizer.dynamic_scale.assign(2.0**9)
    one.optimizer.step_counter.assign(7)
    one.average.update()
    one.checkpoints(tmp_path, recipe).save(3, {"seconds": 1.5})

    keras.utils.set_random_seed(2)
    other = _made()
    restored = other.checkpoints(tmp_path, recipe).restore()
    assert (restored["step"], restored["seconds"]) == (3, 1.5)
    for found, expected in zip(_values(other), _values(one), strict=True):
        np.testing.assert_array_equal(found, expected)
    images = tf.ones((4, 8, 8, 3))
    # The same examples are dropped next.
    np.testing.assert_array_equal(other.model(images, training=True), one.model(images, training=True))
