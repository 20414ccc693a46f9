"""From a network to a weights file that others read: timm's names, or keras.applications', in the other direction."""

import os
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from safetensors.numpy import save_file

from kres.model import ResNet
from kres.weights.matching import Target, targets
from kres.weights.names import KERAS_APPLICATIONS, TIMM
from kres.writing import write_atomically
from kres.zoo import keras_applications

_COUNTER = "num_batches_tracked"
"""What PyTorch's batch norm holds besides ours: the number of batches seen. It computes nothing from it here."""


def export_weights(model: keras.Model, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a network's weights under another library's names, bit for bit; `kres.load_weights` reads the file as well.

    `.safetensors` is timm's: it loads the file strictly. A convolution whose bias timm's network has not
    (keras.applications') is written under the name that PyTorch would give it, `conv1.bias`. `.h5` is
    keras.applications': its network of the same name takes the file by `load_weights`.

    Args:
        model: a network of `kres.build`, or one saved and loaded.
        path: a new file, `<name>.safetensors` or `<name>.h5`; it has its name only when it is whole.
        overwrite: replace a file of that name.

    Raises:
        ValueError: the model is another than `kres.build` makes (fused, wired anew, foreign), another suffix, or `.h5`
            of a network that keras.applications does not build.
        FileExistsError: there is a file of that name, and no `overwrite`.
        NotADirectoryError: the file's directory does not exist.
    """
    path = Path(path).expanduser()
    if path.suffix not in WRITERS or path.name.endswith(".weights.h5"):
        raise ValueError(
            f"The name of a weights file ends in {' or '.join(WRITERS)}; `.weights.h5` is what Keras's own "
            f"save_weights writes. Received: path={str(path)!r}"
        )
    if not path.parent.is_dir():
        raise NotADirectoryError(f"A file needs a directory that exists. Received: path={str(path)!r}")
    if path.is_dir() or (path.exists() and not overwrite):
        raise FileExistsError(
            "There is something of that name: give another, or `overwrite=True` (`--force`) for a file. "
            f"Received: path={str(path)!r}"
        )
    check_network(model)
    WRITERS[path.suffix](model, path)


def _write_safetensors(model: Any, path: Path) -> None:
    state = state_dict(model)
    write_atomically(path, lambda aside: save_file(state, aside, metadata={"format": "pt"}))


def _write_keras(model: Any, path: Path) -> None:
    """Keras's older layout, a group a layer: what keras.applications publishes, loaded by names or by order."""
    if model.network not in KERAS_BUILDS:
        raise ValueError(
            f"Of keras.applications are {', '.join(KERAS_BUILDS)}; .safetensors holds any network. "
            f"Received: a model of {model.network!r}, path={str(path)!r}"
        )
    # Keras orders our layers as it orders its own: the two graphs are the same.
    layers: dict[str, list[Target]] = {}
    for target in targets(model, KERAS_APPLICATIONS, model.spec):
        layers.setdefault(target.layer, []).append(target)

    def write(aside: Path) -> None:
        with h5py.File(aside, "w") as file:
            file.attrs["layer_names"] = [_keras_name(variables[0]).encode() for variables in layers.values()]
            file.attrs["keras_version"] = keras.version().encode()
            file.attrs["backend"] = keras.backend.backend().encode()
            for variables in layers.values():
                group = file.create_group(_keras_name(variables[0]))
                group.attrs["weight_names"] = [str(target.tensor).encode() for target in variables]
                for target in variables:
                    group[str(target.tensor)] = keras.ops.convert_to_numpy(target.variable)

    write_atomically(path, write)


def _keras_name(target: Target) -> str:
    return str(target.tensor).partition("/")[0]


WRITERS = {".safetensors": _write_safetensors, ".h5": _write_keras}
# Of the family's ResNeXts Keras has no builder any more.
KERAS_BUILDS = tuple(row for row, spec in keras_applications.ROWS.items() if not spec.grouped)


def state_dict(model: Any) -> dict[str, np.ndarray]:
    """A network's variables under timm's names and in PyTorch's forms, a counter beside each batch norm.

    Raises:
        ValueError: the model is another than `kres.build` makes.
    """
    check_network(model)
    state: dict[str, np.ndarray] = {}
    for target in targets(model, TIMM, model.spec):
        if target.tensor is None or target.tensor in state:
            raise ValueError(f"timm's scheme has no name for {target.path} of {model.name}, so nothing can be written.")
        value = keras.ops.convert_to_numpy(target.variable)
        if target.form is not None and target.form.back is not None:
            value = target.form.back(value)
        state[target.tensor] = np.ascontiguousarray(value)
        if target.variable.name == "moving_mean":
            state[f"{target.tensor.rpartition('.')[0]}.{_COUNTER}"] = np.zeros((), "int64")
    return state


def check_network(model: Any) -> None:
    """ValueError unless the model is what `kres.build` makes of its Spec: all of its layers, and no others."""
    if type(model) is not ResNet:  # a subclass has other layers than the Spec says: those of kres.fuse lack norms
        raise ValueError(
            "Only a network as `kres.build` makes it, without `input_tensor`, has names in timm's scheme: not a fused "
            f"one (export the one it was made from), a rewired or a foreign one. Received: {type(model).__name__}"
        )
