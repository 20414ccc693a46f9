"""The layouts that Keras writes in HDF5: `.keras` archives, `.weights.h5`, and the older `.h5`."""

import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kres.weights.files.tensors import Shape, TensorFile, reading, refuse_compression

_KERNEL = ("kernel", "bias")
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_VARIABLES = re.compile(r"(?:[^/]+/layers/)*(?P<layer>[^/]+)/vars")
_RENAMED = {"depthwise_kernel": "kernel"}
"""Keras 3's name of a Keras 2 variable."""
_ARCHIVE = ".keras"
_ARCHIVE_KIND = "a .keras archive"
_CONFIG = "config.json"


def saved_config(path: Path) -> dict[str, Any]:
    """What a `.keras` archive says that it holds, as Keras writes it: a class and its config; nothing is built.

    ValueError for a file that is none, or damaged.
    """
    refuse_compression(path, _ARCHIVE_KIND)
    with reading(path, _ARCHIVE_KIND), zipfile.ZipFile(path) as archive:
        found: dict[str, Any] = json.loads(archive.read(_CONFIG)) if _CONFIG in archive.namelist() else {}
        return {**found, "config": dict(found.get("config", {}))}


def saved_tag(path: Path) -> str | None:
    """The published weights that the network in a `.keras` archive of kres says it holds; None if there are none."""
    if path.suffix.lower() != _ARCHIVE or not path.is_file():
        return None
    tag = saved_config(path)["config"].get("weights_tag")
    return tag if isinstance(tag, str) else None


@contextmanager
def open_keras(path: Path) -> Iterator[TensorFile]:
    """Open any of the three layouts; of an archive, the weights alone."""
    archive = path.suffix.lower() == _ARCHIVE
    expected = _ARCHIVE_KIND if archive else "an HDF5 weights file"
    if archive:
        refuse_compression(path, expected)
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
            datasets = _datasets(root)
        _refuse_foreign_storage(datasets, root, path)

        def read(name: str) -> np.ndarray:
            with reading(path, expected):
                return _as_array(datasets[name])

        yield TensorFile(
            path=path,
            format="keras",
            shapes={name: _shape(dataset) for name, dataset in datasets.items()},
            dtypes={name: _dtype(dataset) for name, dataset in datasets.items()},
            read=read,
        )


def _datasets(root: h5py.File) -> dict[str, h5py.Dataset]:
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
            layer, _, rest = path.partition("/")
            variable = rest.rsplit("/", 1)[-1].removesuffix(":0")
            found[f"{layer}/{_RENAMED.get(variable, variable)}"] = item

    root.visititems(visit)
    return found


def _named_by_attribute(layers: h5py.Group) -> dict[str, h5py.Dataset]:
    """Keras 3's layout: `conv2d_4/vars/0`, where an attribute of `vars` holds the layer's name.

    The earliest versions wrote no such attribute: then the layer goes by the group's name, its class and number. A
    model within a model has `layers` of its own.
    """
    found: dict[str, h5py.Dataset] = {}

    def visit(path: str, item: Any) -> None:
        match = _VARIABLES.fullmatch(path)
        if match is None or not isinstance(item, h5py.Group):
            return
        tensors = _variables(match["layer"], item)
        if twice := sorted(found.keys() & tensors.keys()):
            raise ValueError(f"{twice[0]} stands in it twice")
        found.update(tensors)

    layers.visititems(visit)  # each group once, however many links lead to it
    return found


def _variables(key: str, variables: h5py.Group) -> dict[str, h5py.Dataset]:
    """A layer's datasets, from its group `vars`."""
    layer = variables.attrs.get("name", key)
    datasets = {number: item for number, item in variables.items() if isinstance(item, h5py.Dataset)}
    # Keras numbers a layer's variables in the order it made them; a kernel is what has more than one axis.
    is_kernel = "0" in datasets and len(_shape(datasets["0"])) > 1
    names = dict(zip("0123", _KERNEL if is_kernel else _NORM, strict=False))
    return {f"{layer}/{names.get(number, number)}": dataset for number, dataset in datasets.items()}


def _shape(dataset: h5py.Dataset) -> Shape:
    return tuple(dataset.shape or ())  # None: a dataset that is declared and has no values


def _dtype(dataset: h5py.Dataset) -> str:
    return "bfloat16" if dataset.attrs.get("dtype") == "bfloat16" else dataset.dtype.name


def _refuse_foreign_storage(datasets: dict[str, h5py.Dataset], root: h5py.File, path: Path) -> None:
    for name, dataset in datasets.items():
        if dataset.file.filename != root.filename or dataset.is_virtual or dataset.external:
            raise ValueError(
                "A weights file holds its own numbers; this one points at other files for some. "
                f"Received: source={str(path)!r}, tensor={name!r}"
            )


def _as_array(dataset: h5py.Dataset) -> np.ndarray:
    """A dataset's numbers, which must all stand in the file as they are: HDF5 would unpack or make up any amount."""
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(k)[0] for k in range(properties.get_nfilters())}
    if filters - {h5py.h5z.FILTER_FLETCHER32}:
        raise ValueError(f"{dataset.name} is compressed, which Keras does not do: `h5repack -f NONE` unpacks it")
    size, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if stored < size:
        raise ValueError(f"{dataset.name} has {size} bytes, and {stored} of them are stored")
    array = np.asarray(dataset[()])
    if _dtype(dataset) == "bfloat16":  # HDF5 has no such type: Keras stores its two bytes as they are
        from ml_dtypes import bfloat16

        return array.view(bfloat16)
    return array
