"""`kres train` and `kres eval` in processes of their own, which real signals stop."""

import json
import re
import resource
import signal
from dataclasses import replace

import numpy as np
import pytest

from kres.training import load_model, read_history
from tests.cli.processes import KRES, finish, freeze, kres, start, wait_for, when
from tests.support import skip_or_fail

STEPS = 240


def of_digits(*changes: str, steps: int = STEPS) -> list[str]:
    """The words of a run of a block a stage on images of 16 pixels."""
    words = ["digits", "--recipe", "digits_resnet20", "--steps", str(steps), "--batch-size", "8", "--deterministic"]
    small = ("network.depths=1,1,1", "images.train_size_px=16", "images.test_size_px=16", "augmentation.padding_px=2")
    for change in (*small, "watch.log_every_steps=5", *changes):
        words += ["--set", change]
    return words


# Evaluated every 250 of the recipe's 1,000 steps, which are squeezed.
RUN = of_digits("watch.evaluate_every=250")
SMALL = ("network.depths=1,1,1", "images.train_size_px=8", "images.test_size_px=8", "augmentation.padding_px=1")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("train") / "whole"
    out, _ = kres("train", *RUN, "--workdir", str(workdir), "--json")
    return workdir, json.loads(out)


@pytest.mark.slow
def test_the_result_is_json_and_eval_agrees(uninterrupted):
    workdir, result = uninterrupted
    assert (result["n_images"], result["steps"], result["seed"]) == (599, STEPS, 0)
    out, _ = kres("eval", str(workdir), "--batch-size", "100", "--json")
    found = json.loads(out)
    assert (found["accuracy"], found["n_images"], found["corrupt"]) == (result["accuracy"], 599, [])


@pytest.mark.slow
def test_eval_takes_the_best_checkpoint(uninterrupted):
    workdir, _ = uninterrupted
    best = max(row.test_accuracy for row in read_history(workdir) if row.test_accuracy is not None)
    out, _ = kres("eval", str(workdir), "--data", "digits", "--checkpoint", "best", "--json")
    assert json.loads(out)["accuracy"] == best


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_writes_a_checkpoint_from_which_the_run_goes_on(tmp_path, number, code):
    workdir, steps = tmp_path / "run", 10**6  # it cannot end before the signal comes
    run = [*of_digits(steps=steps), "--workdir", str(workdir)]
    process = start("train", *run)
    when(lambda: read_history(workdir), process, number)
    _, err = finish(process, code)
    stopped = json.loads(next((workdir / "checkpoints").glob("step_*/state.json")).read_text())["step"]
    assert f"{signal.Signals(number).name}: stopped after step {stopped} of {steps}" in err and "--resume" in err
    assert json.loads((workdir / "run.json").read_text())["state"] == "interrupted"
    _, err = kres("train", *run, code=2)
    assert "holds this run already" in err and "interrupted" in err

    process = start("train", *run, "--resume")
    when(lambda: any(row.step > stopped for row in read_history(workdir)), process, number)
    _, err = finish(process, code)
    assert f"{steps} steps of 8 images on 1 device(s), from step {stopped}" in err


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["checkpoint", "log"])
def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on_later(victim, tmp_path):
    if not hasattr(resource, "prlimit"):
        skip_or_fail("a running process can be limited on Linux only")
    workdir = tmp_path / "run"
    arguments = ["train", *of_digits("watch.evaluate_every=1000"), "--workdir", str(workdir)]
    process = start(*arguments)
    first = workdir / "checkpoints" / "step_00000100"
    wait_for(first.exists, process, every=0.002)
    freeze(process)
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    # From here on the operating system refuses to let a file grow above a size, as a full disk does.
    if victim == "checkpoint":
        size, words = sum(path.stat().st_size for path in first.iterdir()) // 2, "step_00000200 could not be written"
    else:
        board = next((workdir / "tensorboard").iterdir())
        size, words = board.stat().st_size, f"the log in {workdir} could not be written"
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
    process.send_signal(signal.SIGCONT)
    _, err = finish(process, 2)
    assert words in err and f"The last good checkpoint is {first}" in err and "Traceback" not in err
    assert json.loads((workdir / "run.json").read_text())["state"] == "failed"
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["step_00000100"]
    out, _ = kres(*arguments, "--resume", "--json")
    assert json.loads(out)["steps"] == STEPS


@pytest.mark.slow
def test_a_finished_run_says_so_and_another_recipe_is_refused(uninterrupted):
    workdir, result = uninterrupted
    out, err = kres("train", *RUN, "--workdir", str(workdir), "--resume", "--json")
    assert json.loads(out) == result
    assert "is finished" in err
    other = ["digits", "--recipe", "cifar_resnet20", "--set", "optimizer.momentum=0.8"]
    _, err = kres("train", *other, "--workdir", str(workdir), "--resume", "--seed", "1", code=2)
    assert "holds another run" in err and "recipe.name: 'digits_resnet20' there, 'cifar_resnet20' here" in err
    assert re.search(r"\n  and \d+ more\n", err) and "momentum" not in err


@pytest.mark.slow
def test_a_loss_that_is_not_finite_names_step_and_checkpoint(tmp_path):
    workdir = tmp_path / "run"
    changes = ["warmup=66", "warmup_kind=constant", "warmup_learning_rate=0.001", "learning_rate=1e30"]
    words = [word for change in changes for word in ("--set", f"schedule.{change}")]
    every = ["--set", "watch.checkpoint_every_steps=1"]
    _, err = kres("train", *RUN, *words, *every, "--workdir", str(workdir), code=3)
    last = max((workdir / "checkpoints").iterdir())
    assert "not finite" in err and f"The last good checkpoint is {last}" in err
    step = int(last.name[5:])
    assert f"step {step + 1} is not finite" in err or f"is not finite after step {step + 1}" in err
    assert json.loads((workdir / "run.json").read_text())["state"] == "failed"


def test_an_unknown_recipe_is_one_line(tmp_path):
    _, err = kres("train", "digits", "--recipe", "cifar_resnet19", "--workdir", str(tmp_path / "x"), code=2)
    assert "Closest: cifar_resnet" in err and "Traceback" not in err
    assert not (tmp_path / "x").exists()


# The command, in which SIGTERM comes after the first images of an evaluation.
STOPPED_IN_AN_EVALUATION = """
import os, signal
import kres_command

start = kres_command._start

def start_and_wait_for_an_evaluation(*arguments):
    start(*arguments)
    from kres.training.display import Display

    class Stopping(Display):
        def evaluating(self, done, total):
            if done:
                os.kill(os.getpid(), signal.SIGTERM)
            super().evaluating(done, total)

    import kres.training.loop
    kres.training.loop.Display = Stopping

kres_command._start = start_and_wait_for_an_evaluation
kres_command.main()
"""


@pytest.mark.slow
def test_a_signal_stops_an_evaluation_which_a_resumed_run_does_again(tmp_path):
    """In the middle of the run; log and model end bit for bit as those of an uninterrupted one."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1000, 8, 8, 3), np.uint8)
    labels = np.arange(1000) % 3
    data = tmp_path / "data.npz"
    np.savez(data, x_train=images[:40], y_train=labels[:40], x_test=images, y_test=labels)
    options = "--recipe digits_resnet20 --steps 4 --batch-size 8 --deterministic".split()
    for change in (*SMALL, "averaging.ema_decay=0.5", "watch.log_every_steps=1", "watch.evaluate_every=500"):
        options += ["--set", change]
    command = ["train", str(data), *options, "--workdir"]
    whole, workdir = tmp_path / "whole", tmp_path / "run"

    _, err = finish(start(*command, str(workdir), program=[*KRES[:2], STOPPED_IN_AN_EVALUATION]), 143)
    assert "SIGTERM: stopped after step 2 of 4; the checkpoint is written" in err
    assert [row.step for row in read_history(workdir)] == [1]
    kres(*command, str(workdir), "--resume")

    kres(*command, str(whole))
    for folder in (whole, workdir):
        assert [row.test_accuracy is not None for row in read_history(folder)] == [False, True, False, True]
    timed = {"images_per_second": None, "input_wait": None, "seconds": 0.0}
    rows = [[replace(row, **timed) for row in read_history(folder)] for folder in (whole, workdir)]
    assert rows[0] == rows[1]
    weights = [load_model(folder).get_weights() for folder in (whole, workdir)]
    for expected, found in zip(*weights, strict=True):
        np.testing.assert_array_equal(found, expected)
