"""Settings that must stand before TensorFlow is imported, and fixtures of more than one area."""

import gc
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# On by itself only where the CPU has AVX-512; a variable that is set already (to 0, say) wins.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers side by side, each with a thread pool of every core, would spend their time in one another's way.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")


def pytest_collection_finish() -> None:
    """Spare Python's collector what stays, TensorFlow and the tests: each pass over it takes a third of a second."""
    gc.freeze()
