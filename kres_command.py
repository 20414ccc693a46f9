"""What the `kres` command starts: a module outside the package, because importing the package imports TensorFlow."""

import contextlib
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from typing import Any


def main() -> None:
    """Run the `kres` command."""
    # TensorFlow reads both as it is imported. A library must not choose them for its user; a command may.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # What is imported stays: looking through it for garbage, again and again, takes a fifth of the start.
    gc.disable()
    with _held_back_unless_it_fails():
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for GPUs, and complains where there is no driver
        _use_onednn(tf)

    from kres.cli.app import run

    gc.freeze()
    gc.enable()

    # By default SIGTERM ends a process on the spot, and half-written artifacts would stay behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    run()


def _use_onednn(tf: Any) -> None:
    """Run an operation on integers, of which oneDNN says as an error, once a process, that some CPUs have none.

    In a session of its own, without GPUs: an eager operation would settle the devices before a command can choose.
    """
    with tf.Graph().as_default():
        numbers = tf.compat.v1.placeholder(tf.uint8, (2, 2))  # a constant would be folded
        with tf.compat.v1.Session(config=tf.compat.v1.ConfigProto(device_count={"GPU": 0})) as session:
            session.run(tf.transpose(numbers), {numbers: [[0, 1], [2, 3]]})


@contextlib.contextmanager
def _held_back_unless_it_fails() -> Iterator[None]:
    """Keep from standard error what TensorFlow writes there as it starts, past all its own settings for logs."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
