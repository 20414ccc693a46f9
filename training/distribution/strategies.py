"""On which devices a run computes: one small function a strategy, in one table."""

import functools
import itertools
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from kres.training.distribution.cluster import Cluster, find_cluster
from kres.training.distribution.gpus import own
from kres.training.distribution.meeting import meet


def one(devices: int | None) -> tf.distribute.Strategy:
    """The first GPU, or the CPU."""
    if devices not in (None, 1):
        raise ValueError(f"strategy 'one' computes on 1 device; 'mirrored' takes more. Received: devices={devices}")
    return tf.distribute.get_strategy()


def mirrored(devices: int | None) -> tf.distribute.Strategy:
    """A replica on each GPU, or on each of `devices` logical CPUs where there is no GPU."""
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU" and devices:
        _split_cpu(devices)
    found = [device.name for device in tf.config.list_logical_devices(kind)]
    count = devices or len(found)
    if not 0 < count <= len(found):
        raise ValueError(f"devices must lie in 1..{len(found)}, the {kind}s here. Received: devices={devices}")
    return _mirrored(tuple(found[:count]))


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """One strategy for each set of devices in a process, however many runs compute there."""
    return MirroredStrategy(devices, first_group=_GROUPS * next(_counted))


class MirroredStrategy(tf.distribute.MirroredStrategy):
    """TensorFlow's, whose groups of devices that sum have numbers of their own, from `first_group` on.

    TensorFlow itself counts from 1 in each strategy of a process, and takes groups of one number for the same: a run on
    other devices than one before it then fails, "joining a group with size 2, but that group has size 4", and so do
    all after it. Its own tests use several strategies in this way.
    """

    def __init__(self, devices: tuple[str, ...], *, first_group: int) -> None:
        self._collective_key_base = first_group
        super().__init__(devices)


_GROUPS = 1000  # of a strategy; it makes one or two
_counted = itertools.count(1)


def multi_worker(devices: int | None) -> tf.distribute.Strategy:
    """A replica on each of `devices` GPUs of each worker, or on its CPU, the workers being those of the environment.

    The first time in a process it must come before TensorFlow computes anything, ValueError else, and it waits for the
    other workers, as `meet` says; from then on the process is of that cluster, and gets what it got. What happens when
    a worker is lost was tried with TensorFlow 2.21, two processes on one machine that sum over both in a loop:

    - killed by SIGKILL, chief or not: the other's step ends in UnavailableError after 1 s;
    - frozen by SIGSTOP, as by a machine that fails: after 9 to 11 s, when its heartbeats are missed;
    - lost while the other saves or evaluates: its next step ends so;
    - ended without an error, while the other goes on: as if it had died. So all leave together (`leave_together`).

    TensorFlow's own settings do that, and shorter ones for the coordination service or `timeout_seconds` of the
    collectives changed nothing. `lost_workers_told` makes a message of the error. TensorFlow also takes SIGTERM for
    itself without acting on it: the handler from before is put back here.
    """
    cluster = find_cluster()
    if cluster is None:
        raise ValueError(
            "strategy 'multi_worker' takes its workers from TF_CONFIG or Slurm: start it with kres launch or srun, or "
            "set TF_CONFIG. Received: neither, or a single worker"
        )
    if not tf.config.get_visible_devices("GPU"):
        devices = devices or 1  # the CPU is one device, whether said or not
    return _workers_of(cluster, devices)


@functools.cache
def _workers_of(cluster: Cluster, devices: int | None) -> tf.distribute.Strategy:
    """TensorFlow sets up workers once a process, and their number of devices with them."""
    _require_fresh_tensorflow()
    _show_devices(devices, cluster)
    meet(cluster)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


def tpu(devices: int | None) -> tf.distribute.Strategy:
    """A replica on each core of the TPU that TensorFlow finds by itself, or that TPU_NAME names.

    Follows TensorFlow's guide to TPUs; no test of kres runs on one.
    """
    if devices is not None:
        raise ValueError(f"strategy 'tpu' computes on all cores of its TPU. Received: devices={devices}")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
    except ValueError as error:
        raise ValueError(f"strategy 'tpu' finds no TPU: {error}. Received: strategy='tpu'") from error
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def auto(devices: int | None) -> tf.distribute.Strategy:
    """`multi_worker` where the environment tells of workers, `mirrored` for several GPUs or `devices`, else `one`."""
    if find_cluster() is not None:
        return multi_worker(devices)
    several = devices > 1 if devices else len(tf.config.list_physical_devices("GPU")) > 1
    return mirrored(devices) if several else one(devices)


STRATEGIES: dict[str, Callable[[int | None], tf.distribute.Strategy]] = {
    "auto": auto,
    "one": one,
    "mirrored": mirrored,
    "multi_worker": multi_worker,
    "tpu": tpu,
}


OF_SEVERAL_WORKERS = ("auto", "multi_worker")


def choose(name: str, *, devices: int | None = None) -> tf.distribute.Strategy:
    """The strategy called `name`; ValueError for an unknown name, devices that are not there or a wrong cluster."""
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}. Received: strategy={name!r}")
    if devices is not None and devices < 1:
        raise ValueError(f"devices must be above 0. Received: devices={devices}")
    cluster = find_cluster()
    if cluster is not None and name not in OF_SEVERAL_WORKERS:
        raise ValueError(
            f"TF_CONFIG or Slurm tells of {len(cluster.workers)} workers, and each would train the whole run itself: "
            f"use {' or '.join(OF_SEVERAL_WORKERS)}, or start a single process. Received: strategy={name!r}"
        )
    return STRATEGIES[name](devices)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which replicas of a run this process computes: `local_replicas` of all `replicas`, from `first_replica` on."""

    worker: int
    workers: int
    replicas: int
    local_replicas: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes: worker 0 does, and it alone."""
        return self.worker == 0

    @property
    def first_replica(self) -> int:
        """Workers have equal numbers of replicas, and theirs stand in the order of the workers."""
        return self.worker * self.local_replicas


def place(strategy: tf.distribute.Strategy) -> Place:
    """Where this process stands in `strategy`."""
    replicas = strategy.num_replicas_in_sync
    worker, workers = 0, 1
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        resolver = strategy.cluster_resolver
        worker, workers = resolver.task_id, resolver.cluster_spec().num_tasks("worker")
    return Place(worker=worker, workers=workers, replicas=replicas, local_replicas=replicas // workers)


def _split_cpu(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError as error:
        # TensorFlow fixes its devices at the first operation; enough of them may be there already.
        available = len(tf.config.list_logical_devices("CPU"))
        if available < count:
            raise ValueError(
                f"TensorFlow already runs with {available} CPU device(s) in this process, so start a new one. "
                f"Received: devices={count}"
            ) from error


def _require_fresh_tensorflow() -> None:
    """ValueError where TensorFlow has started its devices: it then sets up no workers, and says so after they met."""
    visible = tf.config.get_visible_devices()
    try:
        tf.config.set_visible_devices([])  # a change, which is refused from then on
    except RuntimeError as error:
        raise ValueError(
            "several workers must be set up before TensorFlow computes anything: call kres.training.fit first in the "
            "process, let it load the data, and call it again only with the same workers and devices. Received: a "
            "process in which TensorFlow has started"
        ) from error
    tf.config.set_visible_devices(visible)


def _show_devices(count: int | None, cluster: Cluster) -> None:
    """Leave `count` GPUs visible, or all that are this worker's; one without any computes on its CPU as one replica."""
    gpus = tf.config.get_visible_devices("GPU")
    if count is not None and count > max(len(gpus), 1):
        raise ValueError(
            f"a worker has {len(gpus)} GPUs here, or its CPU as 1 device: start more workers. Received: devices={count}"
        )
    if gpus:
        tf.config.set_visible_devices(list(own(gpus, cluster, devices=count))[:count], "GPU")
