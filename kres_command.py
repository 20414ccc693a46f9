"""What the `kres` command starts: a module outside the package, because importing the package imports TensorFlow.

That takes seconds, which help, versions and mistyped options need not wait for.
"""

import contextlib
import gc
import importlib.util
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any


def main() -> None:
    """Run the `kres` command."""
    # TensorFlow reads both as it is imported. A library must not choose them for its user; a command may.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # By default SIGTERM ends a process on the spot, and half-written artifacts would stay behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    package = _package_of_modules_alone("kres")

    from kres.cli.app import run

    run(partial(_start, package))


def _package_of_modules_alone(name: str) -> ModuleType:
    """The package, of which modules can be imported although its own code has not run."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    package = sys.modules[name] = importlib.util.module_from_spec(spec)
    return package


def _start(package: ModuleType) -> None:
    """Load TensorFlow in silence, and run the package's own code."""
    # What is imported stays: looking through it for garbage, again and again, takes a fifth of the start.
    gc.disable()
    with _held_back_unless_it_fails():
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for GPUs, and complains where there is no driver
        _use_onednn(tf)
    assert package.__spec__ is not None and package.__spec__.loader is not None
    package.__spec__.loader.exec_module(package)
    gc.freeze()
    gc.enable()


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
