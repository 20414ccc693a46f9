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
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.abc import Loader
from typing import Any

# Of these, what is light is read before TensorFlow is loaded.
PACKAGES = ("kres", "kres.export")


def main() -> None:
    """Run the `kres` command."""
    # TensorFlow reads both as it is imported. A library must not choose them for its user; a command may.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # By default SIGTERM ends a process on the spot, and half-written artifacts would stay behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    loaders = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"the kres command needs the package kres: install it. Received: {spec}")
        # Its modules can be imported before its own code has run, unless a program has imported it already.
        sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
        loaders[name] = spec.loader

    from kres.cli.app import run

    run(partial(_start, loaders))


def _start(loaders: Mapping[str, Loader]) -> None:
    """Load TensorFlow in silence, and run the packages' own code where it has not run."""
    # What is imported stays, and looking through it for garbage again and again takes time.
    gc.disable()
    with _held_back_unless_it_fails():
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for GPUs, and complains where there is no driver
        _use_onednn(tf)
    for name, loader in loaders.items():
        if not hasattr(sys.modules[name], "__all__"):
            loader.exec_module(sys.modules[name])
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
    """Keep from standard error what TensorFlow writes there as it starts, past all its own settings for logs.

    Where standard error is closed, or nothing can be written elsewhere, it stays as it is.
    """
    with contextlib.ExitStack() as stack:
        try:
            held = None if sys.stderr is None else stack.enter_context(tempfile.TemporaryFile())
        except OSError:
            held = None
        if held is None:
            yield
            return
        sys.stderr.flush()
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        # An interrupt is no failure.
        except Exception:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


if __name__ == "__main__":
    # A run that looks for the command that started it looks for this name.
    sys.modules["kres_command"] = sys.modules[__name__]
    main()
