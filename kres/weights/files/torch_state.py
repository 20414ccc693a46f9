"""PyTorch's state dicts, by its weights-only loader."""

import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kres.weights.files.tensors import TensorFile, reading

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
    _refuse_compression(path)
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


def _refuse_compression(path: Path) -> None:
    """PyTorch stores its numbers as they are; its loader would unpack a compressed gigabyte of zeros into memory."""
    with reading(path, _EXPECTED):
        with path.open("rb") as file:
            if file.read(len(_ZIP)) != _ZIP:
                return  # PyTorch's older layout, which has no compression
        with zipfile.ZipFile(path) as archive:
            packed = [info.filename for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise ValueError(
            "PyTorch writes its numbers uncompressed, and others are not unpacked. "
            f"Received: source={str(path)!r}, {len(packed)} compressed members, the first {packed[0]!r}"
        )
