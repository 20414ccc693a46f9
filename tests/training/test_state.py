from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from kres.training.plan import plan
from kres.training.state import State
from tests.training.replicas import on_two_replicas
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


def test_replicas_drop_other_examples_also_after_a_checkpoint(tmp_path):
    """What they draw next is the same in a run that goes on from its checkpoint."""
    on_two_replicas(f"""
        from pathlib import Path
        from tests.training.test_state import _made, _recipe

        def begin(seed):
            keras.utils.set_random_seed(seed)
            with strategy.scope():
                return _made()

        def drawer(state):
            layers = [layer for layer in state.model.layers if isinstance(layer, keras.layers.Dropout)]
            assert len(layers) == 3

            def of_replica():
                return [layer(tf.ones((64, *layer.input.shape[1:])), training=True) for layer in layers]

            run = tf.function(lambda: strategy.run(of_replica), autograph=False)
            return lambda: [[part.numpy() for part in strategy.experimental_local_results(found)] for found in run()]

        one, other = begin(1), begin(2)
        with strategy.scope():
            one.part_replicas()
            draw = drawer(one)
            draw()
            for first, second in draw():
                assert not np.array_equal(first, second)
            one.checkpoints(Path("{tmp_path}"), _recipe()).save(3, {{}})
            other.checkpoints(Path("{tmp_path}"), _recipe()).restore()
            other.part_replicas()
            for expected, found in zip(draw(), drawer(other)(), strict=True):
                np.testing.assert_array_equal(found, expected)
        """)


def test_a_single_replica_draws_as_keras_would():
    keras.utils.set_random_seed(1)
    state = _made()
    before = [variable.numpy() for variable in state.random]
    state.part_replicas()
    np.testing.assert_array_equal([variable.numpy() for variable in state.random], before)
