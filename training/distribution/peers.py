"""What the workers of a run owe one another: the same settings, a common end, and word of who is lost."""

import functools
import json
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from kres.training.distribution.meeting import WorkerLost
from kres.training.distribution.strategies import place
from kres.training.nesting import flatten

# What a step raises when another worker is gone, depending on where it notices.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)
# TensorFlow names the worker that it misses in one of these ways, and this one as the place of an operation.
NAMES_A_WORKER = re.compile(r"(?:remote target |unhealthy[^/]*|reported from )/job:worker(?:/replica:0)?/task:(\d+)")
ABSENT = "nothing"
HEARTBEAT = "CoordinationService/Heartbeat"  # which goes to the chief
COLLECTIVE = re.compile(r"[Cc]ollective|coordination service|CoordinationService")


@contextmanager
def lost_workers_told(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Raise WorkerLost in place of the TensorFlow error by which a lost worker ends this one's step."""
    try:
        yield
    except LOST as error:
        message = explain(error, strategy)
        if message is None:
            raise
        # What the broken step holds goes now: its threads would complain below the message, as the process ends.
        traceback.clear_frames(error.__traceback__)
        raise WorkerLost(message) from error


def explain(error: tf.errors.OpError, strategy: tf.distribute.Strategy) -> str | None:
    """What a TensorFlow error says of another worker, None when it is no such error."""
    here = place(strategy)
    if here.workers == 1 or not COLLECTIVE.search(str(error)):
        return None
    named = {int(number) for number in NAMES_A_WORKER.findall(str(error))} - {here.worker}
    if not named and HEARTBEAT in str(error):
        named = {0}
    addresses = strategy.cluster_resolver.cluster_spec().as_dict()["worker"]
    lost = [f"worker {number} of {here.workers} ({addresses[number]})" for number in sorted(named)]
    return (
        f"{' and '.join(lost) or 'another worker'} is gone, so worker {here.worker} stops. Its own log may say why; "
        "start all workers again with --resume: the run goes on from its last checkpoint."
    )


def require_same(settings: dict[str, Any], strategy: tf.distribute.Strategy, *, rule: str) -> None:
    """ValueError, on every worker, that names the workers whose `settings` differ from the chief's, and in what.

    `settings` are what JSON holds; `rule` says what makes them the same. Every worker must call this.
    """
    everyones = [flatten(json.loads(text)) for text in gather_text(json.dumps(settings), strategy)]
    chief = everyones[0]
    told = []
    for worker, others in enumerate(everyones):
        for key in sorted(chief.keys() | others.keys()):
            value, expected = (json.dumps(one[key]) if key in one else ABSENT for one in (others, chief))
            if value != expected:
                told.append(f"worker {worker} has {key}={value}, the chief {expected}")
    if told:
        raise ValueError(f"{rule}. Received: {'; '.join(told)}")


def gather_text(text: str, strategy: tf.distribute.Strategy) -> list[str]:
    """The `text` of each worker, in their order, given to all of them. Every worker must call it."""
    if place(strategy).workers == 1:
        return [text]
    codes = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
    lengths = _gather(np.array([len(codes)], np.int32), strategy)
    padded = np.zeros((1, lengths.max()), np.int32)
    padded[0, : len(codes)] = codes
    rows = _gather(padded, strategy)
    return [row[:length].astype(np.uint8).tobytes().decode() for row, length in zip(rows, lengths, strict=True)]


def leave_together(strategy: tf.distribute.Strategy) -> None:
    """Wait until every worker has come here; one that ended before would be taken for lost by those that still work.

    Nothing may take the workers' time alone for long before this: TensorFlow puts no limit to the wait.
    """
    if place(strategy).workers > 1:
        _gather(np.zeros(1, np.int32), strategy)


@functools.cache
def _gathering(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], Any]:
    """The graph of `_gather`, of which a strategy needs one."""

    def of_replica(values: tf.Tensor) -> tf.Tensor:
        # The copy is on the replica's device, where the argument of the graph is on none.
        return tf.distribute.get_replica_context().all_gather(tf.identity(values), axis=0)

    return tf.function(lambda values: strategy.run(of_replica, args=(values,)), reduce_retracing=True)


def _gather(values: np.ndarray, strategy: tf.distribute.Strategy) -> np.ndarray:
    """The `values` (k, ...) of each worker, one under the other: (workers * k, ...)."""
    with lost_workers_told(strategy):
        everyones = strategy.experimental_local_results(_gathering(strategy)(tf.constant(values)))[0].numpy()
    here = place(strategy)
    # Each replica of a worker gave the same.
    return everyones.reshape(here.replicas, *values.shape)[:: here.local_replicas].reshape(-1, *values.shape[1:])


def largest_of_workers(numbers: Sequence[int], strategy: tf.distribute.Strategy) -> list[int]:
    """The largest that any worker gives of each of the whole `numbers`. Every worker must call it."""
    if place(strategy).workers == 1:
        return list(numbers)
    return _gather(np.array([numbers], np.int32), strategy).max(axis=0).tolist()


def sum_over_workers(values: np.ndarray, strategy: tf.distribute.Strategy) -> np.ndarray:
    """The sum of the workers' `values`, of one shape, given to all of them. Every worker must call it."""
    if place(strategy).workers == 1:
        return values
    return _gather(values[None], strategy).sum(axis=0)
