"""The one engine that moves a weights file into a model: all of it or, with an error, nothing."""

import contextlib
import logging
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from kres.convolution import StandardizedConv2D
from kres.model import ResNet
from kres.specs import Spec
from kres.weights.files import TensorFile, open_tensors
from kres.weights.forms import adapted_channels
from kres.weights.matching import STEM, Match, Target, best_match, network_layers

logger = logging.getLogger("kres")

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_LISTED = 8


def load_file(model: keras.Model, path: Path, *, spec: Spec) -> None:
    """Put a weights file into a model of this Spec; all of it, or, with an error, nothing.

    A head of another number of classes keeps its values, and a stem for other than RGB images gets RGB's kernel
    adapted; everything else must fit exactly. Where a source keeps the head in a file of its own, that is read from the
    same folder.

    Raises:
        ValueError: names, shapes, types or values do not fit, or the file cannot be read; further as `open_tensors`.
            Or the network was fused, and its kernels are no longer those that its Spec standardizes.
    """
    _refuse_plain_kernels(model, spec)
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(open_tensors(path))
        match = best_match(model, file, spec)
        if match.only_head_missing and match.source.head_file:
            beside = path.with_name(match.source.head_file)
            if beside.exists():
                file = _joined(file, opened.enter_context(open_tensors(beside)))
                match = best_match(model, file, spec)
        if match.faults:
            raise ValueError(_describe(match, model, path))
        if match.channels is not None and spec.weight_standardization is not None:
            raise ValueError(
                f"{model.name} standardizes its kernels, so no kernel of {match.channels} channels gives what the "
                "file's gives on RGB: load it into a network for RGB images, and give that grey ones three times over. "
                f"Received: source={str(path)!r}"
            )
        values = _values(file, match)
    for (target, _), value in zip(match.pairs, values, strict=True):
        target.variable.assign(value)
    if match.fresh_head is not None:
        logger.warning(
            "%s: %d classes in the file and %d in %s, so the head keeps its own values and everything else is loaded.",
            path.name,
            *match.fresh_head,
            model.name,
        )
    if match.channels is not None:
        logger.warning(
            "%s: the file is for RGB images and %s for ones of %d channels: %s is adapted.",
            path.name,
            model.name,
            match.channels,
            STEM,
        )


def _refuse_plain_kernels(model: keras.Model, spec: Spec) -> None:
    """ValueError for a network whose standardized kernels `kres.fuse` made plain: names and shapes would still fit."""
    standardized = any(isinstance(layer, StandardizedConv2D) for layer in network_layers(model))
    if spec.weight_standardization is not None and not standardized:
        raise ValueError(
            "A fused network holds its kernels as they are standardized, which weights files do not: load them into "
            f"the network that `kres.build` makes, then fuse. Received: model={model.name!r}"
        )


def _joined(file: TensorFile, other: TensorFile) -> TensorFile:
    """Two files as one; the first has the word where both name a tensor."""
    return replace(
        file,
        shapes=other.shapes | file.shapes,
        dtypes=other.dtypes | file.dtypes,
        read=lambda name: (file if name in file.shapes else other).read(name),
    )


def _values(file: TensorFile, match: Match) -> list[np.ndarray]:
    """The tensors of the file, float32, in the variables' shapes."""
    wanted = [tensor for _, tensor in (*match.pairs, *match.constants)]
    _refuse(
        [f"{tensor} of {file.dtypes[tensor]}" for tensor in wanted if file.dtypes[tensor] not in _FLOATS],
        rule="Weights are floating-point numbers",
        file=file,
    )
    values, infinite, negative = [], [], []
    for target, tensor in match.pairs:
        dtype = target.variable.dtype
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found below
            value = file.read(tensor).astype("float32", copy=False)
            value = value if target.form is None else target.form.value(value)
            if target.layer == STEM and match.channels is not None:
                value = adapted_channels(value, channels=match.channels)
            finite = np.isfinite(value.astype(dtype, copy=False))
        if not finite.all():
            count = int(value.size - finite.sum())
            infinite.append(f"{tensor} with {count} of {value.size} values not finite in {dtype}")
        if target.variable.name == "moving_variance" and (value < 0).any():
            negative.append(tensor)
        values.append(value.reshape(target.shape))
    _refuse(infinite, rule="Weights are finite", file=file)
    _refuse(negative, rule="Variances are not negative", file=file)
    wrong = [tensor for target, tensor in match.constants if not _is_constant(target, file.read(tensor))]
    _refuse(wrong, rule=f"By the names of {match.source.name} some tensors only add up, and hold 0 and 1", file=file)
    return values


def _is_constant(target: Target, value: np.ndarray) -> bool:
    constant = target.form.constant if target.form is not None else None
    return constant is not None and np.array_equal(value, constant(target.shape))


def _refuse(faults: list[str], *, rule: str, file: TensorFile) -> None:
    if faults:
        raise ValueError(
            f"{rule}; {len(faults)} of the file's tensors break that, and nothing was loaded: {_shortened(faults)}. "
            f"Received: source={str(file.path)!r}"
        )


def _describe(match: Match, model: keras.Model, path: Path) -> str:
    lists = {
        "missing from the file": [_missing(target) for target in match.missing],
        "in the file, but not in the model": match.left_over,
        "of another shape": match.misshapen,
    }
    lines = [f"The file does not fit {model.name} by the names of {match.source.name}; nothing was loaded."]
    lines += [f"  {len(names)} {what}: {_shortened(names)}" for what, names in lists.items() if names]
    if match.only_head_missing:
        lines.append("  The file has no head: load it into a network built with include_top=False.")
    if isinstance(model, ResNet) and type(model) is not ResNet:
        lines.append("  A fused network takes its own files alone: load them into what `kres.build` makes, then fuse.")
    return "\n".join([*lines, f"Received: source={str(path)!r}"])


def _missing(target: Target) -> str:
    renamed = target.tensor not in (None, target.path)
    return f"{target.tensor} (for {target.path})" if renamed else target.path


def _shortened(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f", and {rest} more" if rest > 0 else "")
