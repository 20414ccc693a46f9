"""A run is killed again and again, at random steps and while it writes, and ends in the bits of one that was not."""

import logging
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kres.training import read_history
from tests.cli.processes import finish, freeze, start, wait_for

STEPS, CHECKPOINT_EVERY, KILLS = 96, 6, 5
# Every kind of state takes part: the optimizer's and its loss scale, averages, the draws of dropout and drop path,
# and data that depend on the step.
CHANGES = {
    "network.depths": "1,1,1",
    "network.width": "0.5",
    "network.drop_path": "0.2",
    "network.dropout": "0.2",
    "network.dtype": "mixed_float16",
    "images.train_size_px": "16",
    "images.test_size_px": "16",
    "augmentation.crop": "random_area",
    "augmentation.padding_px": "0",
    "augmentation.mixup": "0.2",
    "augmentation.erase": "0.5",
    "optimizer.kind": "lamb",
    "optimizer.clip_norm": "1",
    "schedule.learning_rate": "0.01",
    "averaging.ema_decay": "0.9",
    "averaging.ema_start": "ramp",
    "watch.log_every_steps": "1",
    "watch.evaluate_every": "333",  # of the recipe's 1,000 steps, which are squeezed
    "watch.checkpoint_every_steps": str(CHECKPOINT_EVERY),
}

logger = logging.getLogger(__name__)


def _start(workdir: Path) -> subprocess.Popen[str]:
    changes = [word for key, value in CHANGES.items() for word in ("--set", f"{key}={value}")]
    run = ["--recipe", "digits_resnet20", "--steps", str(STEPS), "--batch-size", "16", *changes]
    return start(
        *("train", "digits", *run, "--workdir", str(workdir), "--resume", "--deterministic", "--json"),
        environment={"TF_NUM_INTRAOP_THREADS": "1"},
    )


def _newest_checkpoint(workdir: Path) -> int:
    return max((int(path.name[5:]) for path in (workdir / "checkpoints").glob("step_*")), default=0)


def _file_number(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def _kill_after_a_step(workdir: Path, dice: random.Random) -> None:
    # Between the checkpoint that this process writes and the next, so that five kills cannot all come before the first.
    target = _newest_checkpoint(workdir) + CHECKPOINT_EVERY + dice.randint(1, CHECKPOINT_EVERY - 1)
    logger.info("SIGKILL after step %d", target)
    log = workdir / "log.csv"
    before = _file_number(log)
    process = _start(workdir)
    # Each process writes the file anew, cut back to the checkpoint.
    wait_for(lambda: _file_number(log) != before and len(read_history(workdir)) >= target, process, every=0.002)
    process.kill()
    finish(process, -signal.SIGKILL)


def _kill_while_it_writes(workdir: Path, dice: random.Random) -> None:
    step = _newest_checkpoint(workdir) + dice.randint(1, 2) * CHECKPOINT_EVERY
    process = _start(workdir)
    while True:
        aside = workdir / "checkpoints" / f".step_{step:08d}.writing"
        wait_for(aside.exists, process, every=0.0005)
        time.sleep(dice.uniform(0, 0.008))  # with some of it written, or all
        freeze(process)
        if aside.exists():  # nothing of it moves now
            break
        process.send_signal(signal.SIGCONT)
        step += CHECKPOINT_EVERY
    logger.info("SIGKILL in the checkpoint of step %d, which has %s", step, [path.name for path in aside.iterdir()])
    process.kill()
    finish(process, -signal.SIGKILL)
    assert aside.exists() and not aside.with_name(f"step_{step:08d}").exists()


def _go_on_to_the_end(workdir: Path) -> str:
    _, err = finish(_start(workdir), 0)
    return err


def _killed_again_and_again(kill, workdir: Path, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(KILLS):
        kill(workdir, dice)
        assert not (workdir / "model.keras").exists()
    newest = _newest_checkpoint(workdir)
    assert f"{STEPS} steps of 16 images on 1 device(s), from step {newest}\n" in _go_on_to_the_end(workdir)


@pytest.mark.slow
def test_ten_kills_change_no_bit(tmp_path):
    seed = int(os.environ.get("KRES_TEST_SEED", random.SystemRandom().randrange(2**31)))
    logger.info("repeat these kills with KRES_TEST_SEED=%d", seed)
    kills = {"between": _kill_after_a_step, "within": _kill_while_it_writes}
    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(_go_on_to_the_end, tmp_path / "whole")
        runs = [pool.submit(_killed_again_and_again, kill, tmp_path / name, seed) for name, kill in kills.items()]
        for run in (whole, *runs):
            run.result()
    for name in kills:
        _assert_the_same_bits(tmp_path / name, tmp_path / "whole")


def _assert_the_same_bits(workdir: Path, whole: Path) -> None:
    assert [row.step for row in read_history(whole)] == list(range(1, STEPS + 1))
    for found, expected in zip(read_history(workdir), read_history(whole), strict=True):
        for column in ("step", "epoch", "learning_rate", "loss", "accuracy", "test_accuracy", "test_loss"):
            assert getattr(found, column) == getattr(expected, column), (column, found, expected)
    assert (workdir / "gradients.csv").read_bytes() == (whole / "gradients.csv").read_bytes()
    names = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert sorted(path.name for path in (workdir / "checkpoints").iterdir()) == names
    for name in names:
        found, expected = (
            tf.train.load_checkpoint(str(run / "checkpoints" / name / "variables")) for run in (workdir, whole)
        )
        kept = set(expected.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
        assert {"random/0", "average/calls", "optimizer/dynamic_scale"} <= {key.split("/.A")[0] for key in kept}
        for key in kept:
            np.testing.assert_array_equal(found.get_tensor(key), expected.get_tensor(key), err_msg=f"{name} {key}")
    models = [keras.saving.load_model(run / "model.keras") for run in (workdir, whole)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
