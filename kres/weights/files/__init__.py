"""Weight files read as data: names, shapes and types first, one tensor at a time after that, and never any code."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from kres.weights.files.keras_hdf5 import open_keras, saved_tag
from kres.weights.files.npz import open_npz
from kres.weights.files.safetensors_file import open_safetensors
from kres.weights.files.tensors import TensorFile
from kres.weights.files.torch_state import open_torch

__all__ = ["SUFFIXES", "TensorFile", "open_tensors", "saved_tag"]

SUFFIXES = {
    ".safetensors": "safetensors",
    ".pth": "torch",
    ".pt": "torch",
    ".h5": "keras",
    ".keras": "keras",
    ".npz": "npz",
}
"""File format of a name's end."""

_OPENERS: dict[str, Callable[[Path], AbstractContextManager[TensorFile]]] = {
    "safetensors": open_safetensors,
    "torch": open_torch,
    "keras": open_keras,
    "npz": open_npz,
}


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Open a weights file of any known format.

    Raises:
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a directory.
        ImportError: a PyTorch file, and PyTorch is not installed.
        ValueError: no known format, or not what the name says: damaged, cut short, or something else.
    """
    if path.is_dir():
        raise IsADirectoryError(f"A weights source is a file, not a directory. Received: source={str(path)!r}")
    if not path.exists():
        raise FileNotFoundError(f"There is no weights file of that name. Received: source={str(path)!r}")
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ValueError(
            f"The name of a weights file ends in one of {', '.join(SUFFIXES)}. Received: source={str(path)!r}"
        )
    with _OPENERS[kind](path) as file:
        yield file
