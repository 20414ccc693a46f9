"""Reference networks: weights made from names and shapes alone, and the outputs that the reference code computed.

A file tests/golden/<name>.json lists every tensor of a reference network (name, shape) and what the reference
implementation, named under "source", computed in float64 from the weights that `state_dict` makes. So no weight
file travels. Layouts are the reference's: convolution kernels (out, in / groups, h, w), dense kernels (out, in).
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "golden"


def names() -> list[str]:
    """The networks that have a golden file."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> dict[str, Any]:
    """A golden file: name, source, params, input_size, tensors, logits, features, and the preprocessing.

    `params` counts trainable parameters; `features` maps "stride4", "stride8", ... to shape (h, w, channels), mean and
    standard deviation of the last map at that stride.
    """
    golden: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return golden


def tensor(name: str, shape: list[int]) -> np.ndarray:
    """One float32 tensor (int64 for a step counter), a function of its name and shape only."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf == "running_var":
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if leaf in ("running_mean", "bias"):
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    if len(shape) == 1:  # the scale of a normalisation layer
        return rng.uniform(0.3, 0.9, shape).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return (np.sqrt(2.0 / fan_in) * rng.standard_normal(shape)).astype(np.float32)


def state_dict(golden: dict[str, Any]) -> dict[str, np.ndarray]:
    """All tensors of a golden file's network, by their reference names."""
    return {name: tensor(name, shape) for name, shape in golden["tensors"]}


def image(size: int, *, seed: int = 7) -> np.ndarray:
    """The input of a golden file: one float32 image (1, size, size, 3), already normalised."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.standard_normal((1, size, size, 3)).astype(np.float32)
