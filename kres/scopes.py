"""What holds while a network is built: the dtype policy, and room for Python's recursion."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def dtype_policy(dtype: Any) -> Iterator[None]:
    """`dtype` as Keras's global policy, so that every layer takes it, for the length of a `with`; None: as it is."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if dtype is None else dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


_recursion_lock = threading.RLock()


@contextlib.contextmanager
def recursion_for(layers: int) -> Iterator[None]:
    """Room for Keras, which walks a functional graph by one Python call a layer: pure Python, no C stack grows."""
    # The limit is every thread's: a build that ended would take it from under one that still runs.
    with _recursion_lock:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(before + layers)
        try:
            yield
        finally:
            sys.setrecursionlimit(before)
