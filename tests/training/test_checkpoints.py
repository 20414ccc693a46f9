import json
import math
import subprocess
import sys
import textwrap

import pytest
import tensorflow as tf

from kres.training.checkpoints import CheckpointError, Checkpoints, damage


@pytest.fixture
def value():
    return tf.Variable(tf.zeros(1000))


@pytest.fixture
def checkpoints(tmp_path, value):
    return Checkpoints(tmp_path / "checkpoints", tf.train.Checkpoint(value=value), keep=2)


def _save(checkpoints, value, step, score=None):
    value.assign(tf.fill([1000], float(step)))
    return checkpoints.save(step, {"seconds": step / 10}, score=score)


def _names(checkpoints):
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_what_is_saved_comes_back(checkpoints, value):
    _save(checkpoints, value, 7)
    value.assign(tf.zeros(1000))
    state = checkpoints.restore()
    assert (state["step"], state["seconds"]) == (7, 0.7)
    assert value.numpy()[0] == 7


def test_nothing_saved_is_none(checkpoints):
    assert checkpoints.restore() is None
    assert checkpoints.describe_last_good() == "There is no good checkpoint."


def test_only_the_last_ones_stay(checkpoints, value):
    for step in (1, 2, 10):
        _save(checkpoints, value, step)
    assert [path.name for path in checkpoints.paths()] == ["step_00000002", "step_00000010"]
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["step_00000002", "step_00000010"]


def test_the_best_stays_and_comes_back(checkpoints, value):
    assert checkpoints.best() is None and checkpoints.restore("best") is None
    for step, score in ((1, 0.5), (2, 0.7), (3, None), (4, 0.6), (5, 0.65)):
        _save(checkpoints, value, step, score)
    assert _names(checkpoints) == ["step_00000002", "step_00000004", "step_00000005"]
    assert checkpoints.best().name == "step_00000002" and checkpoints.best_score() == 0.7
    assert checkpoints.restore("best")["step"] == 2 and value.numpy()[0] == 2
    assert checkpoints.restore()["step"] == 5 and value.numpy()[0] == 5
    _save(checkpoints, value, 6, 0.7)  # the newest of equals
    assert _names(checkpoints) == ["step_00000005", "step_00000006"]
    _save(checkpoints, value, 7, math.nan)
    assert checkpoints.best().name == "step_00000006"
    with pytest.raises(ValueError, match=r"one of last, best. Received: checkpoint='first'"):
        checkpoints.restore("first")


def test_a_damaged_best_gives_way_to_the_next(checkpoints, value, caplog):
    best, second, _ = (_save(checkpoints, value, step, score) for step, score in ((1, 0.9), (2, 0.8), (3, 0.7)))
    _flip_a_byte(best)
    assert checkpoints.best_score() == 0.8
    assert checkpoints.restore("best")["step"] == 2
    assert f"{best} is damaged" in caplog.text and f"used instead: {second}" in caplog.text


def test_what_is_saved_behind_a_damaged_one_stays(tmp_path, value):
    checkpoints = Checkpoints(tmp_path, tf.train.Checkpoint(value=value), keep=1)
    _save(checkpoints, value, 1, 0.5)
    _truncate(_save(checkpoints, value, 10, 0.4))
    assert checkpoints.restore()["step"] == 1
    _save(checkpoints, value, 3)  # stopped by a signal before it came by 10 again
    assert _names(checkpoints) == ["step_00000001", "step_00000003"]
    assert checkpoints.restore()["step"] == 3


def _truncate(path):
    data = next(path.glob("variables.data*"))
    data.write_bytes(data.read_bytes()[:-10])


def _flip_a_byte(path):
    data = next(path.glob("variables.data*"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)


def _remove_index(path):
    (path / "variables.index").unlink()


def _cut_state(path):
    (path / "state.json").write_text((path / "state.json").read_text()[:20])


@pytest.mark.parametrize("harm", [_truncate, _flip_a_byte, _remove_index, _cut_state])
def test_a_damaged_checkpoint_is_passed_over_aloud(checkpoints, value, caplog, harm):
    good, bad = (_save(checkpoints, value, step) for step in (1, 2))
    harm(bad)
    assert damage(good) is None
    assert damage(bad)
    assert checkpoints.restore()["step"] == 1
    assert value.numpy()[0] == 1
    assert f"{bad} is damaged" in caplog.text and f"used instead: {good}" in caplog.text
    _save(checkpoints, value, 2)  # training comes by again and replaces it
    assert damage(bad) is None


def test_no_good_checkpoint_is_an_error(checkpoints, value):
    _truncate(_save(checkpoints, value, 3))
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* is readable: step_00000003 is damaged"):
        checkpoints.restore()


def test_a_killed_writer_leaves_nothing_that_counts(checkpoints, value):
    _save(checkpoints, value, 1)
    aside = checkpoints.folder / ".step_00000002.writing"
    aside.mkdir()
    (aside / "variables.index").write_text("half")
    assert checkpoints.restore()["step"] == 1
    _save(checkpoints, value, 3)
    assert not aside.exists()


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    import tensorflow as tf
    from kres.training.checkpoints import Checkpoints, CheckpointError
    value = tf.Variable(tf.ones(1000))
    checkpoints = Checkpoints(Path(sys.argv[1]), tf.train.Checkpoint(value=value), keep=1)
    checkpoints.save(1, {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    value.assign(tf.fill([1000], 2.0))
    try:
        checkpoints.save(2, {})
    except CheckpointError as error:
        print(error)
        sys.exit(checkpoints.restore()["step"] + 40 + int(value.numpy()[0]))
"""


@pytest.mark.slow
def test_a_disk_that_takes_no_more_leaves_the_last_good_one(tmp_path):
    # The operating system refuses to let the file grow, as a full disk does.
    code = textwrap.dedent(FULL_DISK)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 42, done.stderr
    assert "step_00000002 could not be written" in done.stdout
    assert f"The last good checkpoint is {tmp_path / 'step_00000001'}" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000001"]
    assert json.loads((tmp_path / "step_00000001" / "state.json").read_text())["step"] == 1
