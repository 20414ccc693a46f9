"""A network small enough to write to a file, damage and load again in milliseconds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kres
from kres.specs import Spec
from kres.weights.saving import state_dict

SPEC = Spec(depths=(1, 2), widths=(8, 16), classes=5, input_size=32)
PREACTIVATION = replace(SPEC, order="preactivation")


def network(spec: Spec = SPEC, **options: Any) -> Any:
    """A bottleneck network of two stages, 32 px, 5 classes, with random numbers in every variable."""
    model = kres.build(spec, **options)
    scramble(model)
    return model


def scramble(model: keras.Model, *, seed: int = 0) -> None:
    """Give every variable random values, moving statistics and biases included; variances stay above zero."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.name in ("moving_variance", "gamma"):
            value = 0.5 + rng.random(variable.shape, "float32")
        elif variable.name == "kernel":
            value = rng.standard_normal(variable.shape, "float32") * np.sqrt(2 / np.prod(variable.shape[:-1]))
        else:
            value = 0.1 * rng.standard_normal(variable.shape, "float32")
        variable.assign(value.astype("float32"))


def values(model: keras.Model) -> dict[str, np.ndarray]:
    """Every variable's value, copied."""
    return {variable.path: variable.numpy().copy() for variable in model.weights}


def assert_same(before: dict[str, np.ndarray], model: keras.Model) -> None:
    """Every variable has the bits it had before."""
    after = values(model)
    assert before.keys() == after.keys()
    for path, value in before.items():
        np.testing.assert_array_equal(after[path].view("uint32"), value.view("uint32"), err_msg=path)


def write(path: Path) -> None:
    """A good weights file of the small network, of the format that the path's name asks for."""
    model = network()
    if path.suffix == ".safetensors":
        save_file(state_dict(model), path)
    elif path.suffix == ".pth":
        import torch

        torch.save({name: torch.from_numpy(x) for name, x in state_dict(model).items()}, path)
    elif path.suffix == ".npz":
        np.savez(path, **state_dict(model))  # type: ignore[arg-type]  # names of no source that publishes so: for damage alone
    elif path.suffix == ".keras":
        model.save(path)
    else:
        model.save_weights(path)


def assert_refused(path: Path, match: str, error: type[Exception] = ValueError) -> None:
    """Loading the file raises that error, and no variable changes by a bit."""
    model = network()
    scramble(model, seed=1)
    before = values(model)
    with pytest.raises(error, match=match):
        kres.load_weights(model, path)
    assert_same(before, model)
