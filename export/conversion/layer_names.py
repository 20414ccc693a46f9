"""The layers that the tensors of a TFLite file are named after.

A tensor is called `network/layer/operation`. One that holds what several layers compute in one operator lists them, the
last one first: `net/act/Relu;net/conv/convolution`.
"""

import re
from collections.abc import Collection, Sequence

from kres.export.conversion.strides import without_rewriting
from kres.lowering import GATE, LINEAR
from kres.quantization import SUFFIX

Names = list[list[str]]
_BEHIND = re.compile(r"/(Relu6?|FusedBatchNormV\d|batchnorm)(_\d+)?(/|$)")
"""What the converters compute together with the layer before."""


def listed_layers(tensors: Sequence[str], layers: Collection[str] = ()) -> Names:
    """Give the layers that the name of each tensor lists; `layers` are those of the network, where they are known.

    Traced for the second time in a graph, `act` calls itself `act_1`, which may be another layer's name too. So numbers
    are taken off where that finds more of `layers`, or where those are not known and each name has one.
    """
    plain = [[_component(part) for part in name.split(";")] for name in tensors]
    unnumbered = [[_without_number(part) for part in parts] for parts in plain]
    if layers:
        return max(unnumbered, plain, key=lambda names: len(_all(names) & set(layers)))
    inner = {_component(part) for name in tensors for part in name.split(";") if "/" in part}
    return plain if any(_without_number(name) == name for name in inner) else unnumbered


def computed_layers(tensors: Sequence[str]) -> list[str]:
    """Name the layer that computes each of all tensors of a file, as the network calls it; "" where nothing says.

    A norm and a ReLU behind a layer are computed with it, and the parts that int8 makes of a layer are its own.
    """
    tensors = [without_rewriting(name) for name in tensors]
    names = listed_layers(tensors)
    known = _all(names)
    networks = {name.split("/")[0] for name in tensors if name.count("/") > 1}

    def layer(name: str, listed: list[str]) -> str:
        pieces = name.split("/")
        if len(pieces) < 2 or (len(pieces) == 2 and pieces[0] in networks):
            return ""
        parts = zip(name.split(";"), listed, strict=True)
        return _whole(next((found for part, found in parts if not _BEHIND.search(part)), listed[-1]), known)

    return [layer(name, listed) for name, listed in zip(tensors, names, strict=True)]


def _whole(part: str, known: Collection[str]) -> str:
    part = part.removesuffix(SUFFIX)
    wholes = (part.removesuffix(suffix) for suffix in (LINEAR, GATE) if part.endswith(suffix))
    return next((whole for whole in wholes if whole in known), part)


def _all(names: Names) -> set[str]:
    return {name for listed in names for name in listed}


def _component(part: str) -> str:
    pieces = part.split("/")
    return pieces[1] if len(pieces) > 2 else pieces[0]


def _without_number(name: str) -> str:
    return re.sub(r"_\d+$", "", name)
