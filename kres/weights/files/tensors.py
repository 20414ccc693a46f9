"""An open weights file, whatever its format, and the one error for damaged bytes."""

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TensorFile:
    """An open weights file. What it declares is known at once; numbers are read, and memory taken, by `read` alone."""

    path: Path
    format: str
    """`safetensors`, `torch`, `keras` or `npz`."""
    shapes: dict[str, Shape]
    """By tensor name."""
    dtypes: dict[str, str]
    """By tensor name, NumPy's name of the type, or `bfloat16`."""
    read: Callable[[str], np.ndarray]


# What the libraries raise on damaged bytes, found by flipping some. pickle.UnpicklingError has its own message.
_DAMAGE = (
    SafetensorError,
    tokenize.TokenError,  # NumPy parses a header as Python's literals
    zipfile.BadZipFile,
    zlib.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn what a format's library raises on damaged bytes into one error that names the file."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(
            f"The file is not {expected}, or it is damaged or cut short ({type(error).__name__}: {error}). "
            f"Received: source={str(path)!r}"
        ) from error


def refuse_compression(path: Path, expected: str) -> None:
    """ValueError for a zip archive with packed members, which unpack to any amount of memory and time."""
    with reading(path, expected), zipfile.ZipFile(path) as archive:
        packed = [info.filename for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise ValueError(
            "Keras and PyTorch write their numbers uncompressed, and others are not unpacked. "
            f"Received: source={str(path)!r}, {len(packed)} compressed members, the first {packed[0]!r}"
        )
