"""Weight files read as data: names and shapes first, one tensor at a time after that, and never any code."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from safetensors import SafetensorError, safe_open

SUFFIXES = {".safetensors": "safetensors", ".pth": "torch", ".pt": "torch", ".h5": "keras", ".keras": "keras"}
"""File format of a name's end."""

_KERAS_KERNEL = ("kernel", "bias")
_KERAS_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True, kw_only=True)
class TensorFile:
    """An open weights file."""

    path: Path
    format: str
    """`safetensors`, `torch` or `keras`."""
    shapes: dict[str, tuple[int, ...]]
    """Every tensor's shape, known without reading the tensor."""
    read: Callable[[str], np.ndarray]


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
    opener = {"safetensors": _open_safetensors, "torch": _open_torch, "keras": _open_keras}[kind]
    with opener(path) as file:
        yield file


# What the libraries raise on damaged bytes, found by flipping some. pickle.UnpicklingError has its own message.
_DAMAGE = (
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
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


@contextmanager
def _open_safetensors(path: Path) -> Iterator[TensorFile]:
    expected = "a safetensors file"
    with reading(path, expected):
        handle = safe_open(path, framework="numpy")

    def read(name: str) -> np.ndarray:
        with reading(path, expected):
            return handle.get_tensor(name)

    with handle:
        shapes = {name: tuple(handle.get_slice(name).get_shape()) for name in handle.keys()}  # noqa: SIM118
        yield TensorFile(path=path, format="safetensors", shapes=shapes, read=read)


@contextmanager
def _open_torch(path: Path) -> Iterator[TensorFile]:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "A .pth file is read by PyTorch's weights-only loader: pip install 'kres[torch]', or give the same weights "
            f"as .safetensors. Received: source={str(path)!r}"
        ) from error
    import pickle

    try:
        with reading(path, "a PyTorch state dict"):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            "The file is not a PyTorch state dict of tensors alone; nothing else is unpickled, as that could run code. "
            f"Received: source={str(path)!r}"
        ) from error
    for key in ("state_dict", "model"):  # where training scripts put it
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ValueError(f"The file holds no state dict of tensors. Received: source={str(path)!r}")

    def read(name: str) -> np.ndarray:
        tensor = content[name].detach()
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()

    yield TensorFile(
        path=path, format="torch", shapes={name: tuple(tensor.shape) for name, tensor in content.items()}, read=read
    )


@contextmanager
def _open_keras(path: Path) -> Iterator[TensorFile]:
    """The three layouts that Keras writes: `.keras` archives, `.weights.h5`, and the older `.h5`."""
    archive = path.suffix.lower() == ".keras"
    expected = "a .keras archive" if archive else "an HDF5 weights file"
    with reading(path, expected):
        opened = zipfile.ZipFile(path) if archive else h5py.File(path, "r")
    with opened:
        if isinstance(opened, zipfile.ZipFile):
            with reading(path, expected):
                member = opened.open("model.weights.h5")
                root = h5py.File(member, "r")
        else:
            root = opened
        with reading(path, expected):
            datasets = _keras_datasets(root)
        _refuse_foreign_storage(datasets, root, path)

        def read(name: str) -> np.ndarray:
            with reading(path, expected):
                return _as_array(datasets[name])

        shapes = {name: _shape(dataset) for name, dataset in datasets.items()}
        yield TensorFile(path=path, format="keras", shapes=shapes, read=read)


def _keras_datasets(root: h5py.File) -> dict[str, h5py.Dataset]:
    """Datasets of a Keras file as "layer/variable"."""
    # `model.save("x.h5")` keeps the weights beside the optimizer's.
    older, layers = root.get("model_weights"), root.get("layers")
    if isinstance(layers, h5py.Group) and "layer_names" not in root.attrs:
        return _named_by_attribute(layers)
    return _named_by_path(older if isinstance(older, h5py.Group) else root)


def _named_by_path(root: h5py.Group) -> dict[str, h5py.Dataset]:
    """The older layout: `conv1_conv/conv1_conv/kernel:0`, or without `:0`."""
    found: dict[str, h5py.Dataset] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            layer, _, variable = path.partition("/")
            found[f"{layer}/{variable.rsplit('/', 1)[-1].removesuffix(':0')}"] = item

    root.visititems(visit)
    return found


def _named_by_attribute(layers: h5py.Group) -> dict[str, h5py.Dataset]:
    """Keras 3's layout: `conv2d_4/vars/0`, where an attribute of `vars` holds the layer's name."""
    found: dict[str, h5py.Dataset] = {}
    for key, group in layers.items():
        variables = group.get("vars") if isinstance(group, h5py.Group) else None
        if not isinstance(variables, h5py.Group):
            continue
        layer = variables.attrs.get("name", key)
        datasets = {number: item for number, item in variables.items() if isinstance(item, h5py.Dataset)}
        # Keras numbers a layer's variables in the order it made them; a kernel is what has more than one axis.
        is_kernel = "0" in datasets and len(_shape(datasets["0"])) > 1
        names = dict(zip("0123", _KERAS_KERNEL if is_kernel else _KERAS_NORM, strict=False))
        found |= {f"{layer}/{names.get(number, number)}": dataset for number, dataset in datasets.items()}
    return found


def _shape(dataset: h5py.Dataset) -> tuple[int, ...]:
    return tuple(dataset.shape or ())  # None: a dataset that is declared and has no values


def _refuse_foreign_storage(datasets: dict[str, h5py.Dataset], root: h5py.File, path: Path) -> None:
    for name, dataset in datasets.items():
        if dataset.file.filename != root.filename or dataset.is_virtual or dataset.external:
            raise ValueError(
                "A weights file holds its own numbers; this one points at other files for some. "
                f"Received: source={str(path)!r}, tensor={name!r}"
            )


def _as_array(dataset: h5py.Dataset) -> np.ndarray:
    array = dataset[()]
    if dataset.attrs.get("dtype") == "bfloat16":  # HDF5 has no such type: Keras stores its two bytes as they are
        from ml_dtypes import bfloat16

        return np.asarray(array).view(bfloat16)
    return np.asarray(array)
