import json
from contextlib import closing
from datetime import datetime, timedelta

import numpy as np
import pytest

from kres.training.data import load
from kres.training.logs import LogRow, RunLog
from kres.training.settings import Recipe
from kres.training.workdir import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    RUNNING,
    WorkdirError,
    describe_data,
    open_workdir,
    read_run,
    write_run,
)
from tests.training.tiny import tiny_recipe

RECIPE = tiny_recipe().to_dict()
SETTINGS = {"recipe": RECIPE, "data": {"source": "digits", "sha256": "a"}, "seed": 0}
ROW = LogRow(
    step=2,
    epoch=1.0,
    learning_rate=0.1,
    loss=1.0,
    accuracy=0.5,
    images_per_second=1.0,
    input_wait=0.0,
    seconds=1.0,
)


def test_a_new_or_empty_directory_is_taken(tmp_path):
    assert open_workdir(tmp_path / "deep" / "new", SETTINGS, resume=False) is None
    assert (tmp_path / "deep" / "new").is_dir()
    assert open_workdir(tmp_path / "deep" / "new", SETTINGS, resume=True) is None


def test_what_a_killed_process_left_half_written_holds_nobody_up(tmp_path):
    (tmp_path / ".run.abcd.json").write_text('{"state"')
    (tmp_path / ".lock").write_text("pid 1 on here")
    assert open_workdir(tmp_path, SETTINGS, resume=False) is None


def test_a_directory_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("important")
    with pytest.raises(WorkdirError, match=r"must be new, empty, or hold a run"):
        open_workdir(tmp_path, SETTINGS, resume=True)


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkdirError, match=r"must be new, empty"):
        open_workdir(tmp_path / "file", SETTINGS, resume=False)


@pytest.mark.parametrize("state", [RUNNING, FINISHED])
def test_the_same_run_goes_on_only_when_asked(tmp_path, state):
    write_run(tmp_path, SETTINGS, state=state)
    with pytest.raises(WorkdirError, match=f"holds this run already .{state}."):
        open_workdir(tmp_path, SETTINGS, resume=False)
    assert open_workdir(tmp_path, SETTINGS, resume=True)["state"] == state


@pytest.mark.parametrize("state", [FAILED, INTERRUPTED])
def test_a_run_that_left_no_checkpoint_starts_again(tmp_path, state):
    write_run(tmp_path, SETTINGS, state=state)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoints" / ".step_00000001.writing").mkdir(parents=True)  # a disk that was full
    assert open_workdir(tmp_path, SETTINGS, resume=False) is None
    assert open_workdir(tmp_path, {**SETTINGS, "seed": 1}, resume=False) is None  # the mended command
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "checkpoints" / "step_00000002").mkdir()
    with pytest.raises(WorkdirError, match=f"holds this run already .{state}."):
        open_workdir(tmp_path, SETTINGS, resume=False)


def test_what_another_run_logged_is_not_written_over(tmp_path):
    write_run(tmp_path, SETTINGS, state=FAILED)
    with closing(RunLog(tmp_path, step=0)) as log:
        log.add(ROW, None)
    with pytest.raises(WorkdirError, match="seed: 0 there, 1 here"):
        open_workdir(tmp_path, {**SETTINGS, "seed": 1}, resume=False)
    assert open_workdir(tmp_path, SETTINGS, resume=False) is None  # which logs the same again


def test_another_run_is_refused_with_the_differences(tmp_path):
    write_run(tmp_path, SETTINGS, state=RUNNING)
    other = {**SETTINGS, "recipe": {**RECIPE, "batch_size": 4}, "seed": 1}
    with pytest.raises(WorkdirError) as caught:
        open_workdir(tmp_path, other, resume=True)
    assert "recipe.batch_size: 8 there, 4 here" in str(caught.value)
    assert "seed: 0 there, 1 here" in str(caught.value)
    assert "recipe.name" not in str(caught.value)


def test_of_another_recipe_its_name_suffices(tmp_path):
    write_run(tmp_path, SETTINGS, state=RUNNING)
    with pytest.raises(WorkdirError) as caught:
        open_workdir(tmp_path, {**SETTINGS, "recipe": {**RECIPE, "name": "q", "batch_size": 4}, "seed": 1}, resume=True)
    assert str(caught.value).partition("They differ in:\n")[2] == "  recipe.name: 'tiny' there, 'q' here\n  and 2 more"


def test_a_recipe_that_is_described_anew_is_the_same(tmp_path):
    write_run(tmp_path, SETTINGS, state=RUNNING)
    told = {**SETTINGS, "recipe": {**SETTINGS["recipe"], "about": {"paper": "another edition"}}}
    assert open_workdir(tmp_path, told, resume=True)


def test_the_same_images_by_another_path_are_the_same_data(tmp_path):
    write_run(tmp_path, SETTINGS, state=RUNNING)
    moved = {**SETTINGS, "data": {"source": "elsewhere", "sha256": "a"}}
    assert open_workdir(tmp_path, moved, resume=True)
    changed = {**SETTINGS, "data": {"source": "elsewhere", "sha256": "b"}}
    with pytest.raises(WorkdirError, match=r"data.source: 'digits' there, 'elsewhere' here"):
        open_workdir(tmp_path, changed, resume=True)


def test_a_run_that_did_not_list_its_classes_goes_on(tmp_path):
    """As kres 0.1 wrote them; the digest holds the names too."""
    write_run(tmp_path, SETTINGS, state=RUNNING)
    listed = {**SETTINGS, "data": {**SETTINGS["data"], "class_names": ["0", "1"], "contents_sha256": "b"}}
    assert open_workdir(tmp_path, listed, resume=True)


def test_a_run_of_an_earlier_version_goes_on_as_its_fields_defaults_say(tmp_path):
    images = {name: value for name, value in RECIPE["images"].items() if name != "order"}
    earlier = {**RECIPE, "images": images}
    del earlier["quantization"], earlier["averaging"]
    write_run(tmp_path, {**SETTINGS, "recipe": earlier}, state=RUNNING)
    assert open_workdir(tmp_path, SETTINGS, resume=True)
    for part, changes in (("images", {"order": "bgr"}), ("quantization", {"ranges": "learned"})):
        other = {**SETTINGS, "recipe": {**RECIPE, part: {**(RECIPE[part] or {}), **changes}}}
        with pytest.raises(WorkdirError, match=f"recipe.{part}.{next(iter(changes))}: .* there, '.*' here"):
            open_workdir(tmp_path, other, resume=True)
    assert Recipe.from_dict(earlier) == tiny_recipe()
    del earlier["network"]["row"]
    with pytest.raises(ValueError, match=r"differ in: \['row'\]"):
        Recipe.from_dict(earlier)


def test_other_pixels_under_the_same_names_are_other_data(tmp_path):
    labels = np.arange(4) % 2
    images = np.zeros((4, 5, 5, 3), np.uint8)
    write_run(tmp_path, {**SETTINGS, "data": describe_data(load(((images, labels), (images, labels))))}, state=RUNNING)
    same = {**SETTINGS, "data": describe_data(load(((images.copy(), labels), (images, labels))))}
    assert open_workdir(tmp_path, same, resume=True)
    other = {**SETTINGS, "data": describe_data(load(((images, labels), (images + np.uint8(1), labels))))}
    with pytest.raises(WorkdirError, match=r"differ in:\n  data.contents_sha256: '\w+' there, '\w+' here$"):
        open_workdir(tmp_path, other, resume=True)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"settings": {}'])
def test_an_unreadable_run_file_is_an_error(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(WorkdirError, match=r"run\.json is not readable"):
        read_run(tmp_path)


def test_run_json_says_what_ran(tmp_path):
    write_run(tmp_path, SETTINGS, state=FINISHED, result={"accuracy": 0.5})
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["settings"] == SETTINGS and run["result"] == {"accuracy": 0.5}
    assert {"python", "tensorflow", "keras", "numpy", "kres"} == {*run["versions"]}
    assert datetime.fromisoformat(run["ended"]).utcoffset() == timedelta(0)


def test_facts_of_another_machine_do_not_keep_a_run_from_going_on(tmp_path):
    write_run(tmp_path, SETTINGS, state=RUNNING, facts={"git": None, "hardware": {"cores": 2}, "steps": 3})
    run = open_workdir(tmp_path, SETTINGS, resume=True)
    assert run["ended"] is None and (run["hardware"], run["git"], run["steps"]) == ({"cores": 2}, None, 3)
