"""A network stage by stage: what `kres info` draws."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

import kres

STAGE = re.compile(r"(stem|stage\d+)_")
BLOCK = re.compile(r"stage\d+_block(\d+)_")


@dataclass(frozen=True, kw_only=True)
class Part:
    """The stem, one stage or the head: its layers in words, the map that it puts out, and its costs for one image."""

    name: str
    blocks: int
    """Residual blocks; 0 in the stem and the head."""
    layers: tuple[str, ...]
    """One block's, or all of the stem's or the head's."""
    output_shape: tuple[int, ...]
    stride: int | None
    """Pixels of the input, along an edge, to one position of the map; None behind the global pool."""
    params: int
    macs: int
    activations: int


def parts(model: kres.ResNet, profile: kres.Profile) -> list[Part]:
    """The parts of a network in the order they run."""
    groups: dict[str, list[kres.LayerProfile]] = {}
    for row in profile.layers:
        stage = STAGE.match(row.name)
        groups.setdefault(stage[1] if stage else "head", []).append(row)
    return [_part(name, rows, model, profile.input_shape[0]) for name, rows in groups.items()]


def _part(name: str, rows: Sequence[kres.LayerProfile], model: kres.ResNet, size: int) -> Part:
    numbers = [int(block[1]) for row in rows if (block := BLOCK.match(row.name))]
    blocks = max(numbers, default=0)
    shown = [model.get_layer(row.name) for row in rows]
    layers = _block(shown) if blocks else [words for layer in shown if (words := _words(layer))]
    shape = rows[-1].output_shape
    return Part(
        name=name,
        blocks=blocks,
        layers=tuple(layers),
        output_shape=shape,
        stride=round(size / shape[0]) if len(shape) == 3 else None,
        params=sum(row.params for row in rows),
        macs=sum(row.macs or 0 for row in rows),
        activations=sum(row.activations for row in rows),
    )


def _block(layers: Sequence[Any]) -> list[str]:
    """The branch of the second block, or of an only one; then what the first and the last do besides or instead.

    Those are the two that may stride or project.
    """
    by_block: dict[str, dict[str, str]] = {}
    for layer in layers:
        if (block := BLOCK.match(layer.name)) and (words := _words(layer)):
            by_block.setdefault(block[1], {})[layer.name[block.end() :]] = words
    usual = by_block.get("2", by_block.get("1", {}))
    lines = [words for role, words in usual.items() if not role.startswith("shortcut")]
    odd = []
    for number in dict.fromkeys(("1", str(len(by_block)))):
        roles = by_block.get(number, {})
        if shortcut := [words for role, words in roles.items() if role.startswith("shortcut")]:
            odd.append(f"block {number} shortcut: {', '.join(shortcut)}")
        strided = {role: words for role, words in roles.items() if "/" in words and not role.startswith("shortcut")}
        odd += [f"block {number} {role}: {words}" for role, words in strided.items() if words not in lines]
    return lines + odd


def _words(layer: Any) -> str | None:
    """A layer that changes what a map means: its kernel and channels, its stride, groups and dilation."""
    if isinstance(layer, keras.layers.Conv1D):
        return f"ECA over {layer.kernel_size[0]}"
    if layer.name.endswith(("_se_fc1", "_se_fc2")):
        return f"SE {layer.filters}" if layer.name.endswith("1") else None
    if isinstance(layer, keras.layers.Conv2D):
        return _convolution(layer)
    if isinstance(layer, keras.layers.Dense):
        return f"dense {layer.units}"
    if isinstance(layer, (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)):
        kind = "max" if isinstance(layer, keras.layers.MaxPooling2D) else "average"
        return f"{_square(layer.pool_size)} {kind}" + _stride(layer.strides)
    if isinstance(layer, keras.layers.GlobalAveragePooling2D) and layer.name == "avg_pool":
        return "global average"
    if isinstance(layer, keras.layers.GlobalMaxPooling2D):
        return "global maximum"
    return "3x3 blur" + _stride((layer.strides,)) if type(layer).__name__ == "BlurPool2D" else None


def _convolution(layer: Any) -> str:
    words = f"{_square(layer.kernel_size)} {layer.filters}" + _stride(layer.strides)
    if layer.groups > 1:
        words += f", {layer.groups} groups"
    return words + (f", dilation {layer.dilation_rate[0]}" if layer.dilation_rate[0] > 1 else "")


def _square(sides: Iterable[int]) -> str:
    return "x".join(map(str, sides))


def _stride(strides: Sequence[int]) -> str:
    return f" /{strides[0]}" if strides[0] > 1 else ""
