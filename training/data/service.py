"""The input pipeline computed by other processes, with tf.data service, in the very order that one process has."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

import tensorflow as tf

from kres.training.data.settled import settled
from kres.training.distribution.meeting import listen

logger = logging.getLogger(__name__)

VARIABLE = "KRES_DATA_SERVICE"


def service_addresses(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The `host:port` of each data worker that KRES_DATA_SERVICE lists, divided by commas; none when it is not set."""
    return tuple(part.strip() for part in environ.get(VARIABLE, "").split(",") if part.strip())


def through_service(
    batches: Callable[[range], tf.data.Dataset],
    steps: range,
    *,
    addresses: Sequence[str],
    elements_per_step: int = 1,
) -> tf.data.Dataset:
    """What `batches(steps)` gives, in the same order and each element once, computed by the data workers.

    `batches(some_steps)` must give `elements_per_step` elements a step of any range, also one with gaps, that hang on
    the step's number alone. tf.data service keeps no order among several workers of one dispatcher: its dynamic
    sharding hands elements to whoever is free, and its coordinated reads want endless data, the whole of it on each
    worker. So each data worker here is a service of its own (`serve`), worker w of M computes the steps w, w + M, ...,
    and this process takes them in turn. A data worker reads the files itself, by the same paths.

    Raises ValueError when there are no addresses.
    """
    if not addresses:
        raise ValueError(f"there must be a data worker or more, as {VARIABLE} lists them. Received: addresses=()")
    parts = [steps[worker :: len(addresses)] for worker in range(len(addresses))]
    # The turns end with the steps: a worker without a step, in a run of fewer than there are workers, is not asked.
    shares = [_computed_at(batches(part), address) for part, address in zip(parts, addresses, strict=True) if part]
    turns = tf.data.Dataset.range(len(steps) * elements_per_step).map(
        lambda number: number // elements_per_step % len(shares)
    )
    return tf.data.Dataset.choose_from_datasets(shares, turns, stop_on_empty_dataset=True)


def _computed_at(dataset: tf.data.Dataset, address: str) -> tf.data.Dataset:
    remote = tf.data.experimental.service.distribute(
        processing_mode=tf.data.experimental.service.ShardingPolicy.OFF,
        service=f"grpc://{address}",
        compression=None,  # decoded photographs hardly shrink, and packing them takes the CPUs that this is to relieve
    )
    return settled(dataset).apply(remote).prefetch(2)


def serve(port: int, *, host: str = "127.0.0.1") -> None:
    """Be a data worker at `port`, which others reach as `host`, until a signal ends the process.

    Raises ValueError when the port is in use.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    listen(port).close()  # the server would share the port with another process
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer(service.DispatcherConfig(port=port))
    address = dispatcher.target.split("://")[1]
    worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=address, worker_address=f"{host}:%port%"))
    logger.info("data worker at %s:%d", host, port)
    while worker:  # both servers live as long as their names
        signal.pause()


def _end(number: int, frame: FrameType | None) -> None:
    # The servers' threads wait for their clients, which may be gone: nothing here needs an orderly end.
    logging.shutdown()
    os._exit(0)


def main() -> None:
    """Serve as the process's arguments say: a port and, unless it is this machine alone, the name of the host."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    serve(int(sys.argv[1]), host=sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1")
