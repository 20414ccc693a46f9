"""A weights file held against a model: every tensor is accounted for, by names and shapes alone."""

from dataclasses import dataclass, field
from typing import Any

import keras

from kres.backbone import HEAD
from kres.imagefiles import RGB
from kres.specs import Spec
from kres.weights.files import TensorFile
from kres.weights.forms import Form, Shape
from kres.weights.names import SOURCES
from kres.weights.rules import Source

STEM = "stem_conv1"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One variable of a model and what a source calls it."""

    layer: str
    path: str
    """`layer/variable`."""
    variable: Any
    form: Form | None
    """Of a kernel; None for anything else."""
    tensor: str | None
    """None where the source has no such thing."""
    constant: str | None
    """A second tensor that the source may have beside a kernel, of known values."""

    @property
    def shape(self) -> Shape:
        """The variable's."""
        return tuple(self.variable.shape)


@dataclass(kw_only=True)
class Match:
    """A file held against a model: what goes where, and what does not fit."""

    source: Source
    pairs: list[tuple[Target, str]] = field(default_factory=list)
    constants: list[tuple[Target, str]] = field(default_factory=list)
    """Tensors that must have known values."""
    missing: list[Target] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    fresh_head: tuple[int, int] | None = None
    """Classes of the file and of the model, where they differ."""
    channels: int | None = None
    """Of the model's images, where the file's are RGB."""

    @property
    def faults(self) -> int:
        """Names and shapes that do not fit."""
        return len(self.missing) + len(self.left_over) + len(self.misshapen)

    @property
    def only_head_missing(self) -> bool:
        """Whether the classifier is all that the file lacks."""
        heads = [target for target, _ in self.pairs if target.layer == HEAD]
        only = bool(self.missing) and all(target.layer == HEAD for target in self.missing)
        return only and not heads and not self.left_over


def best_match(model: keras.Model, file: TensorFile, spec: Spec) -> Match:
    """The match by the names of the source that fits best, of those that publish in the file's format."""
    matches = (_match(model, file, source, spec) for source in SOURCES if file.format in source.formats)
    return min(matches, key=lambda match: match.faults)


def head_classes(file: TensorFile, spec: Spec) -> int | None:
    """Classes of the head in a file of a network of this Spec; None where it has none, or under no known name."""
    for source in SOURCES:
        shape = file.shapes.get(source.tensor_name(spec, HEAD, "bias") or "")
        if file.format in source.formats and shape:
            return shape[-1]
    return None


def targets(model: keras.Model, source: Source, spec: Spec) -> list[Target]:
    """The network's variables in the order of its layers, and what the source calls each."""
    layers = [layer for layer in network_layers(model) if layer.weights]
    names = source.layer_names(spec, [layer.name for layer in layers])
    found = []
    for layer in layers:
        form = source.form(spec, layer.name)
        for variable in layer.weights:
            kernel = variable.name == "kernel"
            found.append(
                Target(
                    layer=layer.name,
                    path=f"{layer.name}/{variable.name}",
                    variable=variable,
                    form=form if kernel else None,
                    tensor=source.join(names.get(layer.name), variable.name),
                    constant=source.constant_name(spec, layer.name) if kernel else None,
                )
            )
    return found


def network_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers from the stem on: what a user put before it, for an `input_tensor`, is no part of the network."""
    layers = list(model.layers)  # a functional model has them in the order that they run in
    stem = next((k for k, layer in enumerate(layers) if layer.name == STEM), 0)
    return layers[stem:]


def _match(model: keras.Model, file: TensorFile, source: Source, spec: Spec) -> Match:
    match = Match(source=source)
    shapes = {name: shape for name, shape in file.shapes.items() if not name.endswith(source.left_out)}
    wanted = targets(model, source, spec)
    heads = [target for target in wanted if target.layer == HEAD]
    match.fresh_head = _other_classes(heads, shapes)
    for target in wanted:
        shape = shapes.pop(target.tensor, None) if target.tensor else None
        if match.fresh_head and target.layer == HEAD:
            continue
        if shape is None:
            match.missing.append(target)
            continue
        adapted = _is_for_other_channels(target, shape)
        if adapted:
            match.channels = target.shape[2]
        if adapted or _converted_shape(shape, target) == target.shape:
            match.pairs.append((target, str(target.tensor)))
        else:
            match.misshapen.append(f"{target.tensor} {shape} (for {target.path}, which is {target.shape})")
        _match_constant(match, target, shapes)
    if not heads:
        name = source.layer_names(spec, [HEAD]).get(HEAD)
        head = {source.join(name, variable) for variable in ("kernel", "bias")}
        shapes = {name: shape for name, shape in shapes.items() if name not in head}
    match.left_over = sorted(shapes)
    return match


def _match_constant(match: Match, target: Target, shapes: dict[str, Shape]) -> None:
    shape = shapes.pop(target.constant, None) if target.constant else None
    if shape is None or target.form is None or target.form.constant is None:
        return
    out = target.shape[-1]
    wanted = (1, 1, out * target.shape[-2], out)
    if shape == wanted:
        match.constants.append((target, str(target.constant)))
    else:
        match.misshapen.append(f"{target.constant} {shape} (which is {wanted})")


def _other_classes(heads: list[Target], shapes: dict[str, Shape]) -> tuple[int, int] | None:
    """Classes of the file and of the model if that is all that sets their heads apart."""
    counts = set()
    for target in heads:
        shape = shapes.get(target.tensor or "")
        if shape is None:
            return None
        theirs = _converted_shape(shape, target)
        if len(theirs) != len(target.shape) or theirs[:-1] != target.shape[:-1]:
            return None
        counts.add((theirs[-1], target.shape[-1]))
    differing = counts.pop() if len(counts) == 1 else None
    return differing if differing and differing[0] != differing[1] else None


def _is_for_other_channels(target: Target, shape: Shape) -> bool:
    """Whether the file's stem is for RGB images, the model's for others, and nothing else sets the two apart."""
    theirs, ours = _converted_shape(shape, target), target.shape
    if target.layer != STEM or len(theirs) != 4 or theirs[2] != RGB or ours[2] == RGB:
        return False
    return (*theirs[:2], theirs[3]) == (*ours[:2], ours[3])


def _converted_shape(shape: Shape, target: Target) -> Shape:
    """The shape that a tensor of the file has in Keras's axis order."""
    if target.form is not None:
        shape = target.form.shape(shape)
    if len(shape) == 4 and shape[:2] == (1, 1) and len(target.shape) == 2:
        shape = shape[2:]  # the head of pre-activation networks is a 1x1 convolution elsewhere
    return shape
