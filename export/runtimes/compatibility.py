"""What an older runtime lacks of a TFLite file: the versions of the file's operators against those that it has."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kres.choices import check_choice
from kres.export.files.inspection import inspect
from kres.export.runtimes.interpreters import CURRENT, Runtime

# A row an operator with the highest version that the runtime opens; a test asks the runtime itself for every one.
TARGETS = {"2.14": Path(__file__).with_name("tflite_runtime_2_14.csv")}
# Formats whose weights are of a type that the runtime does not read, whatever their operators' versions say.
NEWER_FORMATS = {"2.14": {"weight_int4": "int4 weights"}}


@dataclass(frozen=True, kw_only=True)
class Platforms:
    """Where a TFLite file is proven: the runtimes that run it, and the tflite-runtime whose operators must do for it.

    Raises ValueError for no runtime, and for a target that there is no table of.
    """

    runtimes: Sequence[Runtime] = (CURRENT,)
    target: str | None = None

    def __post_init__(self) -> None:
        if not self.runtimes:
            raise ValueError("a TFLite file is proven in at least one runtime. Received: none")
        if self.target is not None:
            check_choice(self.target, "target_runtime", TARGETS)


DEFAULT = Platforms()


@cache
def operators(target: str) -> dict[str, int]:
    """Give the operators of a target runtime, each with the highest version that it opens."""
    with TARGETS[target].open(newline="") as file:
        return {row["operator"]: int(row["version"]) for row in csv.DictReader(file)}


def lacking(path: str | Path, target: str) -> str:
    """Say which operators of the TFLite file at `path` the target runtime lacks; an empty string where it has all."""
    has, found = operators(target), inspect(path)
    newer = {name: version for name, version in found.versions.items() if version > has.get(name, 0)}
    words = [
        f"{name} version {version} ({f'at most {has[name]}' if name in has else 'it has none'})"
        for name, version in sorted(newer.items())
    ]
    words += [words for name, words in NEWER_FORMATS[target].items() if name == found.format]
    if not words:
        return ""
    return f"this file is for newer runtimes than tflite-runtime {target}, which lacks {', '.join(words)}"
