import json
from typing import Any

import pytest
import tensorflow as tf

from kres.training.distribution.cluster import (
    SLURM_PORTS,
    Cluster,
    expand_counts,
    expand_hosts,
    find_cluster,
    parse_slurm,
    parse_tf_config,
    split_address,
)

TWO: dict[str, Any] = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
STEP = {
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "2",
    "SLURM_JOB_ID": "77",
}


def test_tf_config_tells_workers_and_place():
    assert parse_tf_config(json.dumps(TWO)) == Cluster(workers=("a:1", "b:2"), index=1)
    assert parse_tf_config(json.dumps(TWO)).address == "b:2"
    as_text = {**TWO, "task": {"type": "worker", "index": "0"}}  # what some operators write
    assert parse_tf_config(json.dumps(as_text)).index == 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{cluster", "must be JSON.*Received: TF_CONFIG='{cluster'"),
        ("[]", "no 'cluster'"),
        (json.dumps({"cluster": TWO["cluster"]}), "no 'task'"),
        (json.dumps({**TWO, "cluster": {}}), "no 'worker'"),
        (json.dumps({**TWO, "cluster": {"worker": []}}), "must list its workers"),
        (json.dumps({**TWO, "cluster": {"worker": "a:1"}}), "not of the right type"),
        (json.dumps({**TWO, "cluster": {"worker": [1, 2]}}), "'host:port'"),
        (json.dumps({**TWO, "cluster": {"worker": ["a:1", "b"]}}), "host:port.*Received: 'b'"),
        (json.dumps({**TWO, "cluster": {"worker": ["a:1", "a:1"]}}), "Received: a:1 more than once"),
        (json.dumps({**TWO, "task": {"type": "worker", "index": 2}}), r"in 0..1.*Received: index=2"),
        (json.dumps({**TWO, "task": {"type": "worker", "index": -1}}), "index of 0 or more"),
        (json.dumps({**TWO, "task": {"type": "worker"}}), "no 'index'"),
        (json.dumps({**TWO, "task": {"type": "evaluator", "index": 0}}), "Received: evaluator"),
        (json.dumps({**TWO, "cluster": {"worker": ["a:1"], "ps": ["c:3"], "chief": ["d:4"]}}), "Received: chief, ps"),
    ],
)
def test_a_wrong_tf_config_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        parse_tf_config(config)


@pytest.mark.parametrize("address", ["a", "a:", ":1", "a:b", "a:0", "a:65536", "a:-1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match=f"host:port.*Received: '{address}'"):
        split_address(address)


def test_addresses_are_split_at_the_last_colon():
    assert split_address("[::1]:22") == ("::1", 22)
    assert split_address("pod.namespace.svc:2222") == ("pod.namespace.svc", 2222)


def test_slurm_tasks_stand_in_the_order_of_the_nodes():
    cluster = parse_slurm(STEP)
    assert [address.split(":")[0] for address in cluster.workers] == ["n9", "n9", "n10", "n10"]
    assert (cluster.index, cluster.address) == (2, cluster.workers[2])
    ports = [split_address(address)[1] for address in cluster.workers]
    assert ports[:2] == ports[2:] == [ports[0], ports[0] + 1]
    assert all(port in SLURM_PORTS for port in ports)
    assert parse_slurm({**STEP, "KRES_PORT": "4000"}).workers[3] == "n10:4001"


def test_jobs_side_by_side_on_a_node_have_other_ports():
    jobs = [set(parse_slurm({**STEP, "SLURM_JOB_ID": str(number)}).workers) for number in range(100, 120)]
    assert len(set.union(*jobs)) == 4 * len(jobs)


# Its order of the hosts is not Slurm's, which is why it is not used; how it reads lists of equal widths is.
@pytest.mark.parametrize("hosts", ["n[1-2],m5,o[3-4,6,7-9]", "login", "gpu[001-003]"])
def test_host_lists_are_read_as_tensorflow_does(hosts, monkeypatch):
    for name, value in {"PROCID": "0", "STEP_NODELIST": hosts}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        {"worker": len(expand_hosts(hosts))}, 1, 1, 1, 1, auto_set_gpu=False
    )
    theirs = [address.split(":")[0] for address in resolver.cluster_spec().as_dict()["worker"]]
    assert sorted(expand_hosts(hosts)) == theirs


def test_host_lists_keep_zeros_and_more_than_one_bracket():
    assert expand_hosts("r[1-2]n[08-10],x") == [f"r{r}n{n}" for r in (1, 2) for n in ("08", "09", "10")] + ["x"]
    assert expand_counts("2(x3),1") == [2, 2, 2, 1]


@pytest.mark.parametrize("text", ["", "n[1-", "n[1-2", "n]1[", "n[2-1]", "n[a]", "n[]", "a,,b", ",a"])
def test_a_malformed_host_list_is_refused(text):
    with pytest.raises(ValueError, match="host list"):
        expand_hosts(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SLURM_STEP_NODELIST": ""}, "SLURM_STEP_NODELIST must be set"),
        ({"SLURM_PROCID": "x"}, "SLURM_PROCID must be an integer"),
        ({"SLURM_STEP_TASKS_PER_NODE": "two"}, "tasks per node"),
        ({"SLURM_STEP_NUM_TASKS": "5"}, "contradict"),
        ({"SLURM_STEP_NODELIST": "n9"}, "contradict"),
        ({"SLURM_DISTRIBUTION": "cyclic"}, "--distribution=block"),
        ({"SLURM_PROCID": "4"}, r"in 0..3.*Received: index=4"),
    ],
)
def test_wrong_slurm_variables_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        parse_slurm({**STEP, **changes})


def test_dealing_makes_no_difference_to_one_task_a_node():
    alone = {"SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}
    assert len(parse_slurm({**STEP, **alone, "SLURM_DISTRIBUTION": "cyclic"}).workers) == 2


def test_tf_config_comes_before_slurm_and_one_worker_is_no_cluster():
    assert find_cluster({**STEP, "TF_CONFIG": json.dumps(TWO)}) == parse_tf_config(json.dumps(TWO))
    assert find_cluster(STEP) == parse_slurm(STEP)
    assert find_cluster({}) is None
    assert find_cluster({"TF_CONFIG": json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"index": 0}})}) is None
    # A batch script before any srun: it has the job's variables and is no task of it.
    assert find_cluster({"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}) is None
