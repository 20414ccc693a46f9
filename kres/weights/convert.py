"""The one engine that moves a weights file into a model: every tensor is accounted for before any is assigned."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kres.backbone import HEAD
from kres.specs import Spec
from kres.weights.files import TensorFile, open_tensors
from kres.weights.names import SOURCES, Source

logger = logging.getLogger("kres")

_KERNELS = ("kernel",)
_TORCH_TO_KERAS = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (2, 3, 1, 0)}
"""Axes of a PyTorch kernel in the order that Keras wants them, by rank; grouped kernels are no exception."""
_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class Target:
    """One variable of a model and what a source calls it."""

    path: str
    """`layer/variable`."""
    head: bool
    kernel: bool
    variable: Any
    tensor: str | None
    """None where the source has no such thing."""


@dataclass(kw_only=True)
class Match:
    """A file held against a model: what goes where, and what does not fit."""

    source: Source
    pairs: list[tuple[Target, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    fresh_head: tuple[int, int] | None = None
    """Classes of the file and of the model, where they differ."""

    @property
    def faults(self) -> int:
        """Names and shapes that do not fit."""
        return len(self.missing) + len(self.left_over) + len(self.misshapen)


def load_file(model: keras.Model, path: Path, *, spec: Spec) -> None:
    """Put a weights file into a model of this Spec; all of it, or, with an error, nothing.

    A head of another number of classes keeps its values; everything else must fit exactly.

    Raises:
        ValueError: names, shapes or values do not fit, or the file cannot be read; further as `open_tensors`.
    """
    with open_tensors(path) as file:
        match = min((_match(model, file, source, spec) for source in _sources(file)), key=lambda match: match.faults)
        if match.faults:
            raise ValueError(_describe(match, model, path))
        values = [_value(file, target, tensor, match.source) for target, tensor in match.pairs]
    for (target, _), value in zip(match.pairs, values, strict=True):
        target.variable.assign(value)
    if match.fresh_head is not None:
        logger.warning(
            "%s: %d classes in the file and %d in %s, so the head keeps its own values and everything else is loaded.",
            path.name,
            *match.fresh_head,
            model.name,
        )


def _sources(file: TensorFile) -> list[Source]:
    return [source for source in SOURCES if file.format in source.formats]


def _targets(model: keras.Model, source: Source, spec: Spec) -> list[Target]:
    return [
        Target(
            path=f"{layer.name}/{variable.name}",
            head=layer.name == HEAD,
            kernel=variable.name in _KERNELS,
            variable=variable,
            tensor=source.tensor_name(spec, layer.name, variable.name),
        )
        for layer in model.layers
        for variable in layer.weights
    ]


def _match(model: keras.Model, file: TensorFile, source: Source, spec: Spec) -> Match:
    match = Match(source=source)
    shapes = {name: shape for name, shape in file.shapes.items() if not name.endswith(source.left_out)}
    targets = _targets(model, source, spec)
    match.fresh_head = _other_classes([target for target in targets if target.head], shapes, source)
    for target in targets:
        shape = shapes.pop(target.tensor, None) if target.tensor else None
        if target.head and match.fresh_head:
            continue
        if shape is None:
            renamed = target.tensor not in (None, target.path)
            match.missing.append(f"{target.tensor} (for {target.path})" if renamed else target.path)
        elif _converted_shape(shape, target, source) != tuple(target.variable.shape):
            wanted = tuple(target.variable.shape)
            match.misshapen.append(f"{target.tensor} {shape} (for {target.path}, which is {wanted})")
        else:
            match.pairs.append((target, str(target.tensor)))
    if not any(target.head for target in targets):
        head = {source.tensor_name(spec, HEAD, variable) for variable in ("kernel", "bias")}
        shapes = {name: shape for name, shape in shapes.items() if name not in head}
    match.left_over = sorted(shapes)
    return match


def _other_classes(head: list[Target], shapes: dict[str, tuple[int, ...]], source: Source) -> tuple[int, int] | None:
    """Classes of the file and of the model if that is all that sets their heads apart."""
    counts = set()
    for target in head:
        shape = shapes.get(target.tensor or "")
        if shape is None:
            return None
        theirs, ours = _converted_shape(shape, target, source), tuple(target.variable.shape)
        if len(theirs) != len(ours) or theirs[:-1] != ours[:-1]:
            return None
        counts.add((theirs[-1], ours[-1]))
    differing = counts.pop() if len(counts) == 1 else None
    return differing if differing and differing[0] != differing[1] else None


def _converted_shape(shape: tuple[int, ...], target: Target, source: Source) -> tuple[int, ...]:
    """The shape that a tensor of the file has in Keras's axis order."""
    if source.layout == "torch" and target.kernel and len(shape) in _TORCH_TO_KERAS:
        shape = tuple(shape[axis] for axis in _TORCH_TO_KERAS[len(shape)])
    if len(shape) == 4 and shape[:2] == (1, 1) and len(target.variable.shape) == 2:
        shape = shape[2:]  # timm's pre-activation head is a 1x1 convolution
    return shape


def _value(file: TensorFile, target: Target, tensor: str, source: Source) -> np.ndarray:
    """A tensor of the file, float32, in the variable's shape."""
    value = file.read(tensor)
    if not np.issubdtype(value.dtype, np.floating) and value.dtype.name != "bfloat16":
        raise ValueError(
            f"Weights are floating-point numbers. Received: source={str(file.path)!r}, {tensor!r} of {value.dtype}"
        )
    with np.errstate(over="ignore"):  # what overflows is found by the next line
        value = value.astype("float32")
    if not np.isfinite(value).all():
        count = int(value.size - np.isfinite(value).sum())
        raise ValueError(
            f"Weights are finite; the file holds NaN or infinity, and nothing was loaded. "
            f"Received: source={str(file.path)!r}, {tensor!r} with {count} of {value.size} values not finite"
        )
    if source.layout == "torch" and target.kernel:
        value = value.transpose(_TORCH_TO_KERAS[value.ndim])
    return value.reshape(tuple(target.variable.shape))


def _describe(match: Match, model: keras.Model, path: Path) -> str:
    lists = {
        "missing from the file": match.missing,
        "in the file, but not in the model": match.left_over,
        "of another shape": match.misshapen,
    }
    lines = [f"The file does not fit {model.name} by the names of {match.source.name}; nothing was loaded."]
    lines += [f"  {len(names)} {what}: {_shortened(names)}" for what, names in lists.items() if names]
    if match.missing and not match.left_over and all(HEAD in name for name in match.missing):
        lines.append("  The file has no head: load it into a network built with include_top=False.")
    return "\n".join([*lines, f"Received: source={str(path)!r}"])


def _shortened(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f", and {rest} more" if rest > 0 else "")
