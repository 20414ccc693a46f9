"""`kres train` and `kres eval` in processes of their own, which real signals stop."""

import json
import resource
import signal

import numpy as np
import pytest

from kres.training import load_model, read_history
from tests.cli.processes import finish, kres, start, when
from tests.support import skip_or_fail

RUN = ["digits_resnet20", "--data", "digits", "--steps", "240", "--batch-size", "8", "--deterministic"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("train") / "whole"
    out, _ = kres("train", *RUN, "--workdir", str(workdir), "--json")
    return workdir, json.loads(out)


@pytest.mark.slow
def test_the_result_is_json_and_eval_agrees(uninterrupted):
    workdir, result = uninterrupted
    assert (result["n_images"], result["steps"], result["seed"]) == (599, 240, 0)
    out, _ = kres("eval", str(workdir), "--data", "digits", "--batch-size", "100", "--json")
    found = json.loads(out)
    assert (found["accuracy"], found["n_images"], found["corrupt"]) == (result["accuracy"], 599, [])


@pytest.mark.slow
def test_a_run_that_is_stopped_and_killed_ends_in_the_same_bits(uninterrupted, tmp_path):
    workdir = tmp_path / "killed"
    arguments = ["train", *RUN, "--workdir", str(workdir), "--resume"]

    process = start(*arguments)
    when(lambda: len(read_history(workdir)) >= 1, process, signal.SIGINT)
    _, err = finish(process, 130)
    assert "SIGINT: stopped after step" in err and "--resume" in err
    assert json.loads((workdir / "run.json").read_text())["state"] == "interrupted"

    process = start(*arguments)
    when((workdir / "checkpoints" / "step_00000100").exists, process, signal.SIGKILL)
    finish(process, -signal.SIGKILL)

    kres(*arguments)
    whole, _ = uninterrupted
    for found, expected in zip(load_model(workdir).get_weights(), load_model(whole).get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    measured = {row.step: row.test_accuracy for row in read_history(workdir) if row.test_accuracy is not None}
    assert measured == {row.step: row.test_accuracy for row in read_history(whole) if row.test_accuracy is not None}


@pytest.mark.slow
def test_sigterm_writes_a_checkpoint_and_exits_143(tmp_path):
    workdir = tmp_path / "run"
    process = start("train", *RUN, "--workdir", str(workdir))
    when(lambda: len(read_history(workdir)) >= 1, process, signal.SIGTERM)
    _, err = finish(process, 143)
    stopped = json.loads(next((workdir / "checkpoints").glob("step_*/state.json")).read_text())["step"]
    assert f"SIGTERM: stopped after step {stopped} of 240" in err
    _, err = kres("train", *RUN, "--workdir", str(workdir), code=2)
    assert "holds this run already" in err and "interrupted" in err


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on_later(tmp_path):
    if not hasattr(resource, "prlimit"):
        skip_or_fail("a running process can be limited on Linux only")
    workdir = tmp_path / "run"
    process = start("train", *RUN, "--workdir", str(workdir))
    first = workdir / "checkpoints" / "step_00000100"
    when(first.exists, process, signal.SIGCONT)  # that signal changes nothing
    # From here on the operating system refuses to let a file grow beyond 1 MB, as a full disk does; a checkpoint has 2.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10**6, 10**6))
    _, err = finish(process, 2)
    assert "step_00000200 could not be written" in err and f"The last good checkpoint is {first}" in err
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["step_00000100"]
    out, _ = kres("train", *RUN, "--workdir", str(workdir), "--resume", "--json")
    assert json.loads(out)["steps"] == 240


@pytest.mark.slow
def test_a_finished_run_says_so_and_another_recipe_is_refused(uninterrupted):
    workdir, result = uninterrupted
    out, err = kres("train", *RUN, "--workdir", str(workdir), "--resume", "--json")
    assert json.loads(out) == result
    assert "is finished" in err
    _, err = kres("train", "cifar_resnet20", "--data", "digits", "--workdir", str(workdir), "--resume", code=2)
    assert "holds another run" in err and "recipe.name: 'digits_resnet20' there, 'cifar_resnet20' here" in err


def test_an_unknown_recipe_is_one_line(tmp_path):
    _, err = kres("train", "cifar_resnet19", "--workdir", str(tmp_path / "x"), code=2)
    assert "closest: cifar_resnet20" in err and "Traceback" not in err
    assert not (tmp_path / "x").exists()
