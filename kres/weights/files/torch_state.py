"""PyTorch's state dicts, by its weights-only loader."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kres.weights.files.tensors import TensorFile, reading, refuse_compression

_EXPECTED = "a PyTorch state dict"
_ZIP = b"PK\x03\x04"
_KEYS = ("state_dict", "model")
"""Where training scripts put it."""


@contextmanager
def open_torch(path: Path) -> Iterator[TensorFile]:
    """Open a PyTorch file, or raise ImportError without PyTorch."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "A .pth file is read by PyTorch's weights-only loader: pip install 'kres[torch]', or give the same weights "
            f"as .safetensors. Received: source={str(path)!r}"
        ) from error
    if _is_zip(path):  # PyTorch's older layout has no compression
        refuse_compression(path, _EXPECTED)
    try:
        with reading(path, _EXPECTED):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            "The file is not a PyTorch state dict of tensors alone; nothing else is unpickled, as that could run code. "
            f"Received: source={str(path)!r}"
        ) from error
    for key in _KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ValueError(f"The file holds no state dict of tensors. Received: source={str(path)!r}")

    def read(name: str) -> np.ndarray:
        with reading(path, _EXPECTED):
            return content[name].detach().float().numpy()

    yield TensorFile(
        path=path,
        format="torch",
        shapes={name: tuple(tensor.shape) for name, tensor in content.items()},
        dtypes={name: str(tensor.dtype).removeprefix("torch.") for name, tensor in content.items()},
        read=read,
    )


def _is_zip(path: Path) -> bool:
    with reading(path, _EXPECTED), path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP
