import socket
import threading

import pytest

from kres.cli.launch import free_ports
from kres.training.distribution.cluster import Cluster
from kres.training.distribution.meeting import WorkerLost, meet


def clusters(count):
    workers = tuple(f"127.0.0.1:{port}" for port in free_ports([0] * count))
    return [Cluster(workers=workers, index=index) for index in range(count)]


def test_workers_that_come_at_different_times_meet():
    arrived = []

    def worker(cluster, delay):
        pause.wait(delay)
        meet(cluster, patience_seconds=20)
        # TensorFlow's server stands at the port from now on.
        with socket.create_server(("", int(cluster.address.split(":")[1]))):
            arrived.append(cluster.index)
            pause.wait(3)

    pause = threading.Event()
    threads = [threading.Thread(target=worker, args=(cluster, cluster.index * 0.3)) for cluster in clusters(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(arrived) == [0, 1, 2]


def test_who_does_not_come_is_named():
    cluster = clusters(3)[1]
    with pytest.raises(WorkerLost, match=rf"worker 0 \({cluster.workers[0]}\) and worker 2 .* did not start"):
        meet(cluster, patience_seconds=0.3)


def test_a_port_in_use_is_refused():
    cluster = clusters(2)[0]
    port = int(cluster.address.split(":")[1])
    with (
        socket.create_server(("", port)),
        pytest.raises(ValueError, match=f"Address already in use. Received: port={port}"),
    ):
        meet(cluster, patience_seconds=0.3)
