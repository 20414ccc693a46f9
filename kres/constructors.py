"""The networks under names of their own, with keras.applications' signature: `ResNet50()` is `build("resnet50")`.

A name follows from the row's by one rule, so that a new row has its constructor.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

from kres.model import build
from kres.zoo import ROWS

# Words that are not merely capitalized; a longer one stands before its beginning.
_WORDS = {word.lower(): word for word in "ResNeXt ResNet SENet PlainNet BiT ReLU ECA RS AA GN BN WRN V2".split()}
_TOKEN = re.compile(rf"se(?=resn)|[a-z](?=v2)|{'|'.join(_WORDS)}|\d+x\d+d?|\d+|[a-z]+")
_CASES = {**_WORDS, "se": "SE"}


def constructor_name(row: str) -> str:
    """A row's name as a class would be called: `resnet50d` -> `ResNet50D`, `resnetv2_50` -> `ResNet50V2`."""
    parts = re.sub(r"resnetv2_([^_]+)", r"resnet\1v2", row).split("_")
    name = ""
    for before, part in zip(["", *parts], parts, strict=False):
        # `32x4d` keeps its form; a number behind a number stands apart.
        apart = part[0].isdigit() and re.search(r"\d", before)
        words = (
            _CASES.get(token, token if token[0].isdigit() else token.capitalize()) for token in _TOKEN.findall(part)
        )
        name += ("_" if apart else "") + "".join(words)
    return name


def _constructor(network: str, name: str) -> Callable[..., Any]:
    """`build` with its first argument given, as a documented function called `name`."""

    def construct(*args: Any, **kwargs: Any) -> Any:
        return build(network, *args, **kwargs)

    row = ROWS[network]
    construct.__name__ = construct.__qualname__ = name
    construct.__doc__ = (
        f"`{network}`: {row.block} blocks {row.depths}, {row.classes} classes, {row.input_size} px.\n\n"
        f"Arguments, result and errors are those of `kres.build`, which `{name}()` calls with {network!r}."
    )
    vars(construct)["__signature__"] = _SIGNATURE
    return construct


_SIGNATURE = inspect.signature(build)
_SIGNATURE = _SIGNATURE.replace(parameters=list(_SIGNATURE.parameters.values())[1:])

# The commonest of a family may leave out what tells it from the others.
NAMES = {constructor_name(row): row for row in ROWS} | {
    "ResNeXt50": "resnext50_32x4d",
    "ResNeXt101": "resnext101_32x8d",
}

CONSTRUCTORS: dict[str, Callable[..., Any]] = {name: _constructor(row, name) for name, row in NAMES.items()}
