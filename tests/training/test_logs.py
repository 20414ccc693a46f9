import numpy as np
import pytest
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event

from kres.training import logs
from kres.training.logs import LogRow, RunLog, read_gradient_norms, read_history
from kres.writing import write_atomically

NORMS = {"stem": 1.5, "stage1": 0.25, "head": 2.0}


def _row(step, **measured):
    return LogRow(
        step=step, epoch=step / 10, learning_rate=0.1, loss=1.5, accuracy=0.25, images_per_second=100.0, **measured
    )


def _write(workdir, steps, *, from_step=0, norms=None, images=False):
    log = RunLog(workdir, step=from_step)
    if images:
        log.images(from_step, np.full((3, 8, 8, 3), 200, np.uint8))
    for step in steps:
        log.add(_row(step), norms)
    log.close()


def _curves(workdir):
    """What TensorBoard's files hold: tag -> list of (step, value), images as their encoded strings."""
    found = {}
    for path in sorted((workdir / "tensorboard").iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = Event.FromString(record.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, tf.make_ndarray(value.tensor)))
    return {tag: sorted(points, key=lambda point: point[0]) for tag, points in found.items()}


def _steps(workdir):
    return [step for step, _ in _curves(workdir)["loss"]]


def test_rows_come_back(tmp_path):
    log = RunLog(tmp_path, step=0)
    rows = [_row(1), _row(2, test_accuracy=0.5, test_loss=0.7, input_wait=0.125, seconds=3.5)]
    for row in rows:
        log.add(row)
    log.close()
    assert read_history(tmp_path) == rows


def test_rows_beyond_the_checkpoint_are_dropped(tmp_path):
    _write(tmp_path, (1, 2, 3), norms=NORMS)
    log = RunLog(tmp_path, step=2)
    log.add(_row(3, test_accuracy=0.75), {**NORMS, "head": 9.0})
    log.close()
    assert read_history(tmp_path) == log.history == [_row(1), _row(2), _row(3, test_accuracy=0.75)]
    assert [(row["step"], row["head"]) for row in read_gradient_norms(tmp_path)] == [(1, 2.0), (2, 2.0), (3, 9.0)]
    assert _steps(tmp_path) == [1, 2, 3]
    assert [value for _, value in _curves(tmp_path)["gradient_norm/head"]] == [2.0, 2.0, 9.0]


def test_norms_are_there_while_they_are_written_anew(tmp_path, monkeypatch):
    _write(tmp_path, (1, 2, 3), norms=NORMS)
    before = read_gradient_norms(tmp_path)

    def killed(path, write):
        if path.name == "gradients.csv":
            raise KeyboardInterrupt
        write_atomically(path, write)

    monkeypatch.setattr(logs, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        RunLog(tmp_path, step=2)
    assert read_gradient_norms(tmp_path) == before


def test_a_run_that_begins_again_leaves_nothing_of_the_old(tmp_path):
    _write(tmp_path, (1, 2), norms=NORMS)
    log = RunLog(tmp_path, step=0)
    assert read_history(tmp_path) == [] and read_gradient_norms(tmp_path) == [] and _curves(tmp_path) == {}
    log.add(_row(1), {"all": 1.0})  # the stages may be others now
    log.close()
    assert read_gradient_norms(tmp_path) == [{"step": 1, "all": 1.0}]


def test_tensorboard_has_every_number_and_the_images_outlive_a_resume(tmp_path):
    _write(tmp_path, (1, 2), norms=NORMS, images=True)
    log = RunLog(tmp_path, step=1)
    log.add(_row(2, test_accuracy=0.5, test_loss=0.75, input_wait=0.25))
    log.close()
    curves = _curves(tmp_path)
    ((step, shown),) = curves.pop("training_images")
    assert step == 0 and [int(text) for text in shown[:2]] == [8, 8]  # width, height, then one PNG each
    decoded = [tf.io.decode_png(png).numpy() for png in shown[2:]]
    assert len(decoded) == 3 and all((image == 200).all() and image.shape == (8, 8, 3) for image in decoded)
    plain = {"epoch", "learning_rate", "loss", "accuracy", "images_per_second", "test_accuracy", "test_loss"}
    assert curves.keys() == plain | {"input_wait"} | {f"gradient_norm/{stage}" for stage in NORMS}
    assert [(step, float(value)) for step, value in curves["test_loss"]] == [(2, 0.75)]
    assert [(step, float(value)) for step, value in curves["gradient_norm/stem"]] == [(1, 1.5)]


@pytest.mark.parametrize("cut", [5, 60])
def test_an_event_that_a_killed_process_cut_off_is_dropped(tmp_path, cut):
    _write(tmp_path, (1, 2))
    (path,) = (tmp_path / "tensorboard").iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    log = RunLog(tmp_path, step=2)
    log.add(_row(3))
    log.close()
    assert _steps(tmp_path) == [1, 2, 3]  # with the file's end lost, every reader would stop there


def test_files_without_later_steps_are_not_written_anew(tmp_path):
    _write(tmp_path, (1, 2))
    (path,) = (tmp_path / "tensorboard").iterdir()
    before = path.stat()
    RunLog(tmp_path, step=2).close()
    assert path.stat().st_ino == before.st_ino and path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("cut", [1, 2, 3, 12, 25])
def test_a_line_that_a_killed_process_cut_off_is_left_out(tmp_path, cut):
    _write(tmp_path, (1,))
    log = RunLog(tmp_path, step=1)
    log.add(_row(2, seconds=123.25))
    log.close()
    path = tmp_path / "log.csv"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_history(tmp_path) == [_row(1)]


def test_a_log_of_kres_0_1_is_read_and_goes_on(tmp_path):
    head = "step,epoch,learning_rate,loss,accuracy,images_per_second,test_accuracy\r\n"
    (tmp_path / "log.csv").write_text(f"{head}1,0.1,0.1,1.5,0.25,100.0,\r\n2,0.2,0.1,1.5,0.25,100.0,0.5\r\n")
    expected = [_row(1), _row(2, test_accuracy=0.5)]
    assert read_history(tmp_path) == expected
    log = RunLog(tmp_path, step=2)
    log.add(_row(3, test_loss=2.0))
    log.close()
    assert read_history(tmp_path) == [*expected, _row(3, test_loss=2.0)]


def test_columns_of_a_newer_version_are_left_out(tmp_path):
    _write(tmp_path, (1,))
    path = tmp_path / "log.csv"
    head, line = path.read_text().splitlines()
    path.write_text(f"{head},invented\n{line},7\n")
    assert read_history(tmp_path) == [_row(1)]


@pytest.mark.parametrize(
    "text",
    [
        "step,loss\n1,2\n",
        "a thesis\nof many words\n",
        "step,epoch,learning_rate,loss,accuracy,images_per_second\n1,0.1,x,1,1,1\n",
        "step,epoch,learning_rate,loss,accuracy,images_per_second\n1,0.1,0.1\n",
        "step,epoch,learning_rate,loss,accuracy,images_per_second\n,0.1,0.1,1,1,1\n",
        "step,epoch,learning_rate,loss,accuracy,images_per_second\n1,0.1,0.1,1,1,1,2,3\n",
        "\0\0\0\n\0\n",
    ],
)
def test_a_damaged_log_is_named(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ValueError, match=r"log\.csv is not readable"):
        read_history(tmp_path)


def test_no_log_is_no_history(tmp_path):
    assert read_history(tmp_path) == [] and read_gradient_norms(tmp_path) == []


def test_other_stages_in_one_run_are_refused(tmp_path):
    log = RunLog(tmp_path, step=0)
    log.add(_row(1), NORMS)
    with pytest.raises(ValueError, match=r"gradients\.csv has the columns step, stem, stage1, head. Received: step, s"):
        log.add(_row(2), {"stem": 1.0})
    log.close()


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, images):
    log = RunLog(tmp_path, step=0)
    with pytest.raises(ValueError, match=r"sample images are uint8 of shape"):
        log.images(0, images)
    log.close()


def test_another_worker_than_the_chief_writes_nothing(tmp_path):
    _write(tmp_path, (1, 2))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    log = RunLog(tmp_path, step=1, chief=False)
    log.images(1, np.zeros((1, 8, 8, 3), np.uint8))
    log.add(_row(2), NORMS)
    log.close()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert log.history == [_row(1), _row(2)]
