"""How to load an artifact in an application: one template a language, filled in with the facts of file and model.

A template is a text of blocks, each begun by a line `=== name`; the first one is the snippet. In it `{{fact}}` is a
fact, and `{{block:fact}}` the block named `block.<the fact's value>`. A language lacks what its template has no block
for, as LiteRT.js lacks int8 tensors.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np

from kres.export.about import LABELS
from kres.export.conversion.serving import BYTES
from kres.export.files.interfaces import Interface, Tensor
from kres.preprocessing import Preprocess

DIRECTORY = Path(__file__).parent
_ALONE = re.compile(r"^([ \t]*)\{\{(\w+):(\w+)\}\}\n", re.MULTILINE)
_FACT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Language:
    """A language's name and its template, for artifacts of one kind."""

    name: str
    template: str


LANGUAGES: dict[str, tuple[Language, ...]] = {
    "tflite": (
        Language("Python", "python.txt"),
        Language("Kotlin (Android)", "kotlin.txt"),
        Language("Swift (iOS)", "swift.txt"),
        Language("C++", "cpp.txt"),
        Language("JavaScript (browser)", "javascript.txt"),
    ),
    "saved_model": (Language("Python", "python.txt"),),
    "onnx": (Language("Python", "python.txt"), Language("JavaScript (browser)", "javascript.txt")),
}
"""The languages of each kind of artifact."""
OF_IMAGE_FILES = (Language("Python", "saved_model.txt"),)
"""Those of a SavedModel that takes the bytes of image files, and needs no more than them."""


def languages_of(kind: str, tensors: Interface) -> tuple[Language, ...]:
    """Give the languages for an artifact of a kind that declares these tensors."""
    return OF_IMAGE_FILES if BYTES in tensors.signatures else LANGUAGES[kind]


def facts(
    path: str, preprocess: Preprocess, *, kind: str, pixels: bool, source: Tensor, target: Tensor
) -> dict[str, str]:
    """Give what a template may ask for of the file at `path`, a POSIX one from where its user runs the snippet.

    `source` takes RGB values of 0..255 where `pixels`, else normalised ones.
    """
    place = PurePosixPath(path)
    order = (0, 1, 2) if pixels or preprocess.order == "rgb" else (2, 1, 0)
    size = source.shape[1]
    whole, crop = size == preprocess.shorter_side, _number(size / preprocess.shorter_side)
    return {
        "file": place.name,
        # JSON quotes as Python does.
        "path": json.dumps(path, ensure_ascii=False),
        "labels_path": json.dumps(str(place.with_name(LABELS)), ensure_ascii=False),
        "runtime": kind,
        # A file of a fixed batch takes no less.
        "repeat": f" * {source.shape[0]}" if source.shape[0] > 1 else "",
        "labels": LABELS,
        "size": str(size),
        "shorter": str(preprocess.shorter_side),
        "crop": crop,
        "square": "whole" if whole else "cropped",
        "of_side": "" if whole else f", {crop} of the shorter side,",
        "filter": preprocess.interpolation,
        "FILTER": preprocess.interpolation.upper(),
        "values": "pixels" if pixels else "normalised",
        "colours": "rgb" if order == (0, 1, 2) else "bgr",
        "order": ", ".join(map(str, order)),
        "shifts": ", ".join(str(16 - 8 * channel) for channel in order),
        "mean": ", ".join(map(_number, preprocess.mean)),
        "std": ", ".join(map(_number, preprocess.std)),
        "mean_f": ", ".join(f"{_number(value)}f" for value in preprocess.mean),
        "std_f": ", ".join(f"{_number(value)}f" for value in preprocess.std),
        "input": source.dtype,
        "stored": "bytes" if pixels and _takes_bytes(source) else source.dtype,
        "output": target.dtype,
        "classes": str(target.shape[-1]),
        **_quantizing(source),
        **_dequantizing(target),
    }


def _quantizing(tensor: Tensor) -> dict[str, str]:
    """How values become an input's integers, without the steps that would do nothing."""
    if tensor.scale is None or tensor.zero_point is None:
        return {}
    divided = "" if tensor.scale == 1 else f" / {_number(tensor.scale)}"
    return {"in_divided": divided, "in_divided_f": divided and f"{divided}f", "in_shifted": added(tensor.zero_point)}


def _dequantizing(tensor: Tensor) -> dict[str, str]:
    """How an output's integers become scores, likewise."""
    if tensor.scale is None or tensor.zero_point is None:
        return {}
    shift = added(-tensor.zero_point)
    known = {"out_added": shift, "out_open": shift and "(", "out_close": shift and f"{shift})"}
    return {**known, "out_scale": _number(tensor.scale)}


def _takes_bytes(tensor: Tensor) -> bool:
    """Whether grey levels go in as they are: their integers are a step of one apart, from zero."""
    return (tensor.dtype, tensor.scale, tensor.zero_point) == ("uint8", 1, 0)


def added(integer: int) -> str:
    """Write that an integer is added, as code and formulas do; nothing of a zero."""
    return f" {'+' if integer > 0 else '-'} {abs(integer)}" if integer else ""


def snippet(template: str, known: Mapping[str, str]) -> str | None:
    """Fill a template in; None where it has no block for one of the facts: the language does not offer that."""
    blocks = _blocks(template)
    text = next(iter(blocks.values()))
    while match := _ALONE.search(text):
        indent, block, fact = match.groups()
        lines = blocks.get(f"{block}.{known[fact]}")
        if lines is None:
            return None
        body = "".join(f"{indent}{line}" if line.strip() else line for line in lines.splitlines(keepends=True))
        text = text[: match.start()] + body + text[match.end() :]
    return _FACT.sub(lambda match: known[match[1]], text)


@cache
def _blocks(template: str) -> dict[str, str]:
    """The blocks of a template by their names, in the file's order."""
    parts = re.split(r"^=== (\S+)\n", (DIRECTORY / template).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _number(value: float) -> str:
    """The shortest decimal number that gives the same float32."""
    return str(np.float32(value))
