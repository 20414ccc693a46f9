"""One process, two devices, two processes that are fed by two others, and four: the same run on the same batches."""

import numpy as np
import pytest

from kres.training import load_model, read_history
from tests.cli.processes import kres

STEPS = 20
# Statistics over all replicas, as one process has them; and float64, in which the order of a sum hardly matters. In
# float32 a rounding may put a ReLU on its other side, and at the recipe's own rate that grows to 1e-3 within the steps.
RUN = [
    *("train", "digits", "--recipe", "digits_resnet20", "--steps", str(STEPS), "--batch-size", "16"),
    *("--set", "network.norm=sync_batch", "--set", "network.dtype=float64"),
    *("--set", "images.train_size_px=8", "--set", "images.test_size_px=8", "--set", "augmentation.padding_px=1"),
    *("--set", "watch.log_every_steps=1", "--set", f"watch.evaluate_every={STEPS}"),
]


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("parity") / "one"
    kres(*RUN, "--workdir", str(workdir))
    return workdir


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["--devices", "2"]),
        (["launch", "--workers", "2", "--data-workers", "2", "--"], []),
        (["launch", "--workers", "4", "--"], []),
    ],
    ids=["mirrored", "workers", "four workers"],
)
def test_replicas_train_what_one_process_does(before, after, one_process, tmp_path):
    workdir = tmp_path / "run"
    kres(*before, *RUN, "--workdir", str(workdir), *after)
    for found, expected in zip(load_model(workdir).get_weights(), load_model(one_process).get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)  # 1e-13 was seen
    rows, wanted = read_history(workdir), read_history(one_process)
    assert len(rows) == len(wanted) == STEPS
    for row, expected in zip(rows, wanted, strict=True):
        assert (row.step, row.accuracy, row.test_accuracy) == (expected.step, expected.accuracy, expected.test_accuracy)
        assert row.loss == pytest.approx(expected.loss, rel=1e-6)  # the loss itself is float32
