"""The body of a network: stem, blocks, last norm and activation, put on an input; and the head behind it."""

from collections.abc import Iterable
from typing import Any

import keras

from kres import layers
from kres.blocks import ORDERS, block, sequence
from kres.specs import Spec
from kres.stages import Place
from kres.stems import STEMS

Tensor = Any
HEAD = "predictions"
POOLINGS = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}


def backbone(x: Tensor, spec: Spec, *, places: Iterable[Place]) -> Tensor:
    """Images (n, h, w, c) -> the last map, behind the last norm and activation."""
    x = STEMS[spec.stem](x, spec=spec)
    for place in places:
        x = block(x, place=place, spec=spec)
    # What stands before a convolution in each block stands before the head too.
    for operation in ORDERS[spec.order].before:
        x = sequence(x, (operation,), k=0, spec=spec, name="final", out=f"final_{operation}")
    return x


def head(x: Tensor, *, include_top: bool, pooling: str | None, classes: int, activation: Any, dropout: float) -> Tensor:
    """The last map -> (n, classes); without the top, pooled to (n, c) or as it is."""
    kind = "avg" if include_top else pooling
    if kind is not None:
        x = POOLINGS[kind](name=f"{kind}_pool")(x)
    if not include_top:
        return x
    x = layers.dropout(x, dropout, name="dropout")
    return layers.head(x, classes, activation=activation, name=HEAD)
