"""Runs found below a directory: what is read of them, how they differ, and what is damaged."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from kres.training.logs import LogRow, RunLog
from kres.training.runs import SILENT_SECONDS, differing, find_runs
from kres.training.workdir import FAILED, FINISHED, INTERRUPTED, RUNNING, write_run


def settings_of(*, recipe: str = "small", seed: int = 0, **fields: Any) -> dict[str, Any]:
    about = {"paper": f"the paper of {recipe}"}
    return {
        "recipe": {"name": recipe, "about": about, "batch_size": 8, "optimizer": {"kind": "sgd"}, **fields},
        "data": {"source": "digits", "classes": 10, "class_names": ["a"], "sha256": "x"},
        "seed": seed,
    }


def make_run(
    workdir: Path,
    *,
    state: str = FINISHED,
    tests: dict[int, float] | None = None,
    step: int = 20,
    total: int = 20,
    speed: float = 100.0,
    **settings: Any,
) -> Path:
    """A workdir with a row every ten steps up to `step`; loss is 1 / step; `tests` are accuracies at steps."""
    workdir.mkdir(parents=True)
    log = RunLog(workdir, step=0)
    for at in range(10, step + 1, 10):
        row = LogRow(
            step=at,
            epoch=at / 10,
            learning_rate=0.1,
            loss=1 / at,
            accuracy=0.5,
            images_per_second=speed,
            test_accuracy=(tests or {}).get(at),
            seconds=at / 2,
        )
        log.add(row)
    log.close()
    result = {"accuracy": 0.75, "n_images": 599, "n_corrupt": 0, "steps": total, "seconds": 11.0}
    write_run(
        workdir,
        settings_of(**settings),
        state=state,
        result=result if state == FINISHED else None,
        facts={"steps": total},
    )
    return workdir


def test_what_is_read_of_a_finished_run(tmp_path: Path) -> None:
    make_run(tmp_path / "a", tests={10: 0.8, 20: 0.75})
    (run,), damaged = find_runs(tmp_path)
    assert not damaged
    assert (run.name, run.state, run.recipe, run.data) == ("a", FINISHED, "small", "digits")
    assert (run.step, run.steps, run.best, run.last, run.loss) == (20, 20, 0.8, 0.75, 1 / 20)
    assert (run.seconds, run.images_per_second) == (11.0, 100.0)
    assert not run.perhaps_dead and len(run.history) == 2


def test_a_running_run_grows(tmp_path: Path) -> None:
    workdir = make_run(tmp_path / "a", state=RUNNING, step=10, total=40)
    (before,), _ = find_runs(tmp_path)
    assert (before.step, before.steps, before.best, before.seconds) == (10, 40, None, 5.0)
    log = RunLog(workdir, step=10)
    log.add(LogRow(step=20, epoch=2, learning_rate=0.1, loss=0.5, accuracy=0.5, images_per_second=50.0))
    log.close()
    with (workdir / "log.csv").open("a") as file:
        file.write("30,3.0,0.1,0.")  # on its way to the disk
    (after,), damaged = find_runs(tmp_path)
    assert (after.step, after.loss, after.images_per_second, damaged) == (20, 0.5, 75.0, [])


def test_a_run_that_has_been_silent_for_long_may_be_dead(tmp_path: Path) -> None:
    for state in (RUNNING, INTERRUPTED):
        workdir = make_run(tmp_path / state, state=state)
        for name in ("run.json", "log.csv"):
            old = time.time() - 2 * SILENT_SECONDS
            os.utime(workdir / name, (old, old))
    found = {run.state: run.perhaps_dead for run in find_runs(tmp_path)[0]}
    assert found == {RUNNING: True, INTERRUPTED: False}


def test_a_run_without_a_readout_yet(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write_run(tmp_path / "new", settings_of(), state=RUNNING)
    (run,), _ = find_runs(tmp_path)
    assert (run.step, run.steps, run.best, run.loss, run.seconds, run.images_per_second) == (0, None, *[None] * 4)


def test_a_run_of_kres_0_1(tmp_path: Path) -> None:
    settings = {"recipe": {"name": "old", "steps": 7}, "data": {"source": "digits"}, "seed": 0}
    write_run(tmp_path, settings, state=INTERRUPTED)
    head = "step,epoch,learning_rate,loss,accuracy,images_per_second,test_accuracy"
    (tmp_path / "log.csv").write_text(f"{head}\n5,0.1,0.1,1.5,0.25,100.0,0.5\n")
    (run,), _ = find_runs(tmp_path)
    assert (run.name, run.step, run.steps, run.last) == (tmp_path.name, 5, 7, 0.5)


def test_runs_lie_three_folders_down_at_most(tmp_path: Path) -> None:
    for name in ("a", "b/c", "d/e/f", "g/h/i/j"):
        make_run(tmp_path / name)
    runs, damaged = find_runs(tmp_path)
    assert [run.name for run in runs] == ["a", "b/c", "d/e/f"] and not damaged


def test_no_directory_is_an_error_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    assert find_runs(tmp_path) == ([], [])
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(FileNotFoundError, match=r"runs are looked for in a directory. Received: "):
            find_runs(path)


def test_settings_that_differ(tmp_path: Path) -> None:
    make_run(tmp_path / "a", optimizer={"kind": "sgd"}, decay_at=[3, 4])
    make_run(tmp_path / "b", optimizer={"kind": "lamb", "trust": 0.1}, decay_at=[3, 4], seed=1)
    runs, _ = find_runs(tmp_path)
    assert differing(runs) == [
        {"optimizer.kind": "sgd", "optimizer.trust": 0.001, "seed": 0},
        {"optimizer.kind": "lamb", "optimizer.trust": 0.1, "seed": 1},
    ]


def test_what_an_earlier_version_did_not_write_is_as_by_default(tmp_path: Path) -> None:
    make_run(tmp_path / "a", images={"crop": 1.0})
    make_run(tmp_path / "b", images={"crop": 1.0, "order": "rgb"}, quantization=None)
    make_run(tmp_path / "c", images={"crop": 1.0, "order": "bgr"})
    runs, _ = find_runs(tmp_path)
    assert differing(runs[:2]) == [{}, {}]
    assert differing(runs) == [{"images.order": order} for order in ("rgb", "rgb", "bgr")]


def test_other_names_and_words_alone_are_no_difference(tmp_path: Path) -> None:
    make_run(tmp_path / "a", recipe="one")
    make_run(tmp_path / "b", recipe="two")
    run = json.loads((tmp_path / "b" / "run.json").read_text())
    run["settings"]["data"]["contents_sha256"] = "y"  # as kres 0.1 did not write it
    (tmp_path / "b" / "run.json").write_text(json.dumps(run))
    runs, _ = find_runs(tmp_path)
    assert differing(runs) == [{}, {}] and differing(runs[:1]) == [{}]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        {"settings": []},
        {"settings": {}},
        {"settings": {"recipe": "r", "data": {"source": "d"}}},
        {"settings": {"recipe": {"name": "r"}, "data": {}}},
        {"state": "asleep"},
        {"state": ["failed"]},
        {"result": [1]},
        {"result": {"seconds": 1}},
        {"result": {"accuracy": "x", "seconds": 1}},
    ],
)
def test_a_damaged_record_is_named_and_the_others_are_read(tmp_path: Path, content: Any) -> None:
    if isinstance(content, dict):
        settings = {"recipe": {"name": "r"}, "data": {"source": "d"}}
        content = json.dumps({"settings": settings, "state": FAILED, **content})
    make_run(tmp_path / "good", state=FAILED)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text(content)
    runs, (damaged,) = find_runs(tmp_path)
    assert [run.name for run in runs] == ["good"]
    assert damaged.workdir == tmp_path / "bad" and "run.json" in damaged.reason


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    workdir = make_run(tmp_path / "a")
    (workdir / "log.csv").write_text("a thesis\nof many words\n")
    runs, (damaged,) = find_runs(tmp_path)
    assert not runs and "log.csv is not readable" in damaged.reason


def test_json_of_a_run_is_untouched_by_reading(tmp_path: Path) -> None:
    workdir = make_run(tmp_path / "a")
    before = json.loads((workdir / "run.json").read_text())
    find_runs(tmp_path)
    assert json.loads((workdir / "run.json").read_text()) == before
