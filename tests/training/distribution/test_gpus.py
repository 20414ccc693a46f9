import pytest
import tensorflow as tf

from kres.training.distribution.cluster import find_cluster
from kres.training.distribution.gpus import own
from kres.training.distribution.strategies import _show_devices

STEP = {
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_JOB_ID": "77",
    "SLURM_GPUS_ON_NODE": "4",
}
NODE = list("0123")


def owned(gpus, *, devices=None, **variables):
    """What each of the four tasks takes of the `gpus` that it sees."""
    steps = [{**STEP, **variables, "SLURM_PROCID": str(task)} for task in range(4)]
    return [own(gpus, find_cluster(step), devices=devices, environ=step) for step in steps]


def test_tasks_of_a_node_that_all_see_its_gpus_share_them_out():
    assert owned(NODE) == [["0", "1"], ["2", "3"]] * 2
    assert owned(NODE, devices=1) == [["0"], ["1"]] * 2
    assert owned(NODE, SLURM_GPUS_ON_NODE="") == owned(NODE)  # a cluster whose Slurm knows of no GPUs


def test_what_slurm_gave_a_task_is_its_own():
    assert owned(["0"], SLURM_GPUS_PER_TASK="1") == [["0"]] * 4
    assert owned(["0", "1"]) == [["0", "1"]] * 4  # by --gpu-bind
    alone = {"SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_STEP_NUM_TASKS": "2"}
    step = {**STEP, **alone, "SLURM_PROCID": "1"}
    assert own(NODE, find_cluster(step), devices=None, environ=step) == NODE
    launched = {**STEP, "TF_CONFIG": '{"cluster": {"worker": ["a:1", "a:2"]}, "task": {"type": "worker", "index": 1}}'}
    assert own(["5"], find_cluster(launched), devices=None, environ=launched) == ["5"]


def test_gpus_that_do_not_go_round_are_refused():
    for gpus, devices in (("0", None), ("012", None), ("0123", 3)):
        with pytest.raises(ValueError, match=f"{len(gpus)} GPUs do not give 2 workers.*Received: workers=2, devices="):
            owned(list(gpus), devices=devices, SLURM_GPUS_ON_NODE=str(len(gpus)))


def test_tensorflow_is_shown_the_workers_own_alone(monkeypatch):
    for name, value in {**STEP, "SLURM_PROCID": "3"}.items():
        monkeypatch.setenv(name, value)
    shown = []
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: NODE)
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda gpus, kind: shown.append((gpus, kind)))
    _show_devices(None, find_cluster())
    _show_devices(1, find_cluster())
    assert shown == [(["2", "3"], "GPU"), (["1"], "GPU")]
