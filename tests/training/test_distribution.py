import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kres.training import read_history
from kres.training.distribution import STRATEGIES, choose, require_divisible


def test_one_device_is_the_default():
    assert choose("auto").num_replicas_in_sync == 1
    assert choose("one", devices=1).num_replicas_in_sync == 1
    assert set(STRATEGIES) == {"auto", "one", "mirrored"}


@pytest.mark.parametrize(
    ("name", "devices", "message"),
    [
        ("tpu", None, "one of auto, one, mirrored. Received: strategy='tpu'"),
        ("one", 2, "computes on 1 device.*Received: devices=2"),
        ("mirrored", 0, "above 0. Received: devices=0"),
    ],
)
def test_what_is_not_there_is_refused(name, devices, message):
    with pytest.raises(ValueError, match=message):
        choose(name, devices=devices)


def test_more_devices_than_tensorflow_started_with_are_refused():
    here = len(tf.config.list_logical_devices())
    with pytest.raises(ValueError, match=f"Received: devices={here + 63}"):
        choose("mirrored", devices=here + 63)


class _Three:
    num_replicas_in_sync = 3


def test_a_batch_that_does_not_divide_names_the_nearest_that_do():
    require_divisible(6, _Three())
    with pytest.raises(ValueError, match=r"3 replicas: use 6 or 9. Received: batch_size=8"):
        require_divisible(8, _Three())
    with pytest.raises(ValueError, match=r"use 3. Received: batch_size=2"):
        require_divisible(2, _Three())


# Every norm sees one replica's images alone, as it does in the published runs. So that one device can be compared, each
# half of every batch holds the same images in the same order: then the moments of a half are those of the whole.
RUN = """
    import sys
    from dataclasses import replace
    sys.path.append(sys.argv[4])  # last, so that an installed kres wins
    import numpy as np
    import tensorflow as tf
    from kres.training import fit, load_model
    from kres.training import loop
    from tests.training.tiny import tiny_recipe

    original = loop.training_batches

    def doubled(*arguments, **options):
        def double(*parts):
            return tuple(tf.concat([part[:4]] * 2, 0) for part in parts)
        return original(*arguments, **options).map(double)

    loop.training_batches = doubled
    strategy, devices, workdir = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    # Few and small steps: from step to step a rounding, which hangs on the order of the threads, grows.
    recipe = replace(tiny_recipe(steps=3), learning_rate=0.01)
    result = fit(recipe, data="digits", workdir=workdir, strategy=strategy, devices=devices)
    weights = load_model(workdir).get_weights()
    np.savez(workdir + "/weights.npz", *weights)
"""


def _run(path, strategy, devices):
    root = str(Path(__file__).parents[2])
    code = [sys.executable, "-c", textwrap.dedent(RUN), strategy, str(devices), str(path), root]
    done = subprocess.run(code, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_mirrored_devices_equal_one_on_the_same_batch(tmp_path):
    _run(tmp_path / "one", "one", 1)
    _run(tmp_path / "two", "mirrored", 2)
    one, two = (np.load(tmp_path / name / "weights.npz") for name in ("one", "two"))
    assert len(one.files) == len(two.files) > 60
    for name in one.files:
        # float32 sums in another order, through three updates
        np.testing.assert_allclose(two[name], one[name], rtol=1e-3, atol=1e-4)
    for row, expected in zip(read_history(tmp_path / "two"), read_history(tmp_path / "one"), strict=True):
        assert (row.step, row.accuracy) == (expected.step, expected.accuracy)
        assert row.loss == pytest.approx(expected.loss, rel=1e-4)
