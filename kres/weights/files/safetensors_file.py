"""Safetensors: a JSON header with names, types, shapes and places, and then the numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import safe_open

from kres.weights.files.tensors import TensorFile, reading

_EXPECTED = "a safetensors file"
_KINDS = {"F": "float", "BF": "bfloat", "I": "int", "U": "uint"}


@contextmanager
def open_safetensors(path: Path) -> Iterator[TensorFile]:
    """Open a safetensors file; its library refuses a header whose shapes do not add up to the file's length."""
    with reading(path, _EXPECTED):
        handle = safe_open(path, framework="numpy")

    def read(name: str) -> np.ndarray:
        with reading(path, _EXPECTED):
            return handle.get_tensor(name)

    with handle:
        slices = {name: handle.get_slice(name) for name in handle.keys()}  # noqa: SIM118
        yield TensorFile(
            path=path,
            format="safetensors",
            shapes={name: tuple(tensor.get_shape()) for name, tensor in slices.items()},
            dtypes={name: _dtype(tensor.get_dtype()) for name, tensor in slices.items()},
            read=read,
        )


def _dtype(tag: str) -> str:
    """`F32` is `float32`; what is no such pair of a letter and a number (`F8_E4M3`, `BOOL`) stays as it is."""
    letters = tag.rstrip("0123456789")
    return f"{_KINDS[letters]}{tag[len(letters) :]}" if letters in _KINDS else tag
