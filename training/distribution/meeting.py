"""The workers of a run wait for one another before TensorFlow starts, which would wait for ever and in silence."""

import contextlib
import logging
import os
import socket
import time

from kres.training.distribution.cluster import Cluster, split_address

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 300.0
SPEAK_AFTER_SECONDS = 5.0
RETRY_SECONDS = 0.2


class WorkerLost(RuntimeError):
    """Another worker of the run is gone, or never came; the message names it and says how the run goes on."""

    exit_code = 138
    """What the process should end with: Kubeflow's training operator starts it again then, as after a kill."""


def meet(cluster: Cluster, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Listen at this worker's address until each other worker has listened at its own.

    Raises ValueError when this worker's port is in use (TensorFlow would share it with the other process without a
    word), and WorkerLost that names the workers who did not come within `patience_seconds`.
    """
    missing = {index for index in range(len(cluster.workers)) if index != cluster.index}
    start = time.monotonic()
    told = False
    with listen(split_address(cluster.address)[1], backlog=len(cluster.workers)):
        while missing:
            missing = {index for index in missing if not _listens(cluster.workers[index])}
            waited = time.monotonic() - start
            if missing and waited > patience_seconds:
                raise WorkerLost(
                    f"{_names(cluster, missing)} did not start within {patience_seconds:.0f} s: see what it says, and "
                    f"whether its address can be reached from here, worker {cluster.index} ({cluster.address})"
                )
            if missing and waited > SPEAK_AFTER_SECONDS and not told:
                logger.info("waiting for %s", _names(cluster, missing))
                told = True
            if missing:
                time.sleep(RETRY_SECONDS)


def listen(port: int, *, backlog: int = 1) -> socket.socket:
    """A socket that listens at `port`; ValueError when that is in use, which TensorFlow's servers do not notice."""
    try:
        return socket.create_server(("", port), backlog=backlog)
    except OSError as error:
        raise ValueError(
            f"nothing can listen at this port: {os.strerror(error.errno or 0)}. Received: port={port}"
        ) from error


def _listens(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(split_address(address), timeout=2):
        return True
    return False


def _names(cluster: Cluster, indices: set[int]) -> str:
    return " and ".join(f"worker {index} ({cluster.workers[index]})" for index in sorted(indices))
