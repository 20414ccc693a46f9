"""From a network to a weights file that PyTorch reads: timm's names, in the other direction."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors.numpy import save_file

from kres.model import ResNet
from kres.weights.matching import targets
from kres.weights.names import TIMM
from kres.writing import write_atomically

SUFFIX = ".safetensors"
_COUNTER = "num_batches_tracked"
"""What PyTorch's batch norm holds besides ours: the number of batches seen. It computes nothing from it here."""


def export_weights(model: keras.Model, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a network's weights as safetensors under timm's names, bit for bit, so that timm loads them strictly.

    A convolution whose bias timm's network has not (keras.applications') is written under the name that PyTorch would
    give it, `conv1.bias`. `kres.load_weights` reads the file as well.

    Args:
        model: a network of `kres.build`, or one saved and loaded.
        path: a new file, `<name>.safetensors`; it has its name only when it is whole.
        overwrite: replace a file of that name.

    Raises:
        ValueError: the model is another than `kres.build` makes (fused, wired anew, foreign), or another suffix.
        FileExistsError: there is a file of that name, and no `overwrite`.
        NotADirectoryError: the file's directory does not exist.
    """
    path = Path(path).expanduser()
    if path.suffix != SUFFIX:
        raise ValueError(f"The name of a weights file for PyTorch ends in {SUFFIX}. Received: path={str(path)!r}")
    if not path.parent.is_dir():
        raise NotADirectoryError(f"A file needs a directory that exists. Received: path={str(path)!r}")
    if path.is_dir() or (path.exists() and not overwrite):
        raise FileExistsError(
            "There is something of that name: give another, or `overwrite=True` (`--force`) for a file. "
            f"Received: path={str(path)!r}"
        )
    state = state_dict(model)
    write_atomically(path, lambda aside: save_file(state, aside, metadata={"format": "pt"}))


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
