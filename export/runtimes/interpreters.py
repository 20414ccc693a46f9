"""The interpreters that run a TFLite file: which there are, which are installed, which a caller names."""

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from kres.choices import check_choice

# Each has a module `interpreter` with the class `Interpreter`.
PACKAGES = {
    "ai-edge-litert": "ai_edge_litert",
    "tf.lite": "tensorflow.lite.python",
    "tflite-runtime": "tflite_runtime",
}


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """An interpreter: a name out of `PACKAGES`, and the Python that has the package."""

    name: str
    python: str = sys.executable

    @property
    def package(self) -> str:
        """The package that has the interpreter."""
        return PACKAGES[self.name]


CURRENT = Runtime(name="ai-edge-litert")


def variable(name: str) -> str:
    """Name the environment variable that says which Python has a runtime that kres's own has not."""
    return f"KRES_{name.upper().replace('-', '_').replace('.', '_')}_PYTHON"


def installed_runtimes() -> list[Runtime]:
    """Give the runtimes that this Python has, or a Python that an environment variable names; the current one first."""
    return [found for name in PACKAGES if (found := _find(name)) is not None]


def named_runtimes(texts: Iterable[str]) -> list[Runtime]:
    """Give the runtimes of `NAME` or `NAME=PYTHON`, each once, in their order.

    Raises ValueError for a name that there is not, a runtime that is not installed, and a Python that cannot be run.
    """
    return list(dict.fromkeys(map(_chosen, texts)))


def _chosen(text: str) -> Runtime:
    name, _, python = text.partition("=")
    check_choice(name, "runtime", PACKAGES)
    if python:
        return Runtime(name=name, python=_executable(python))
    found = _find(name)
    if found is None:
        raise ValueError(
            f"{name} is not installed beside kres: name a Python that has it, as {name}=/path/to/python or in "
            f"{variable(name)}. Received: {text!r}"
        )
    return found


def _find(name: str) -> Runtime | None:
    if python := os.environ.get(variable(name)):
        return Runtime(name=name, python=_executable(python))
    # Of the package alone: to look for a module inside it would import it.
    return Runtime(name=name) if find_spec(PACKAGES[name].partition(".")[0]) else None


def _executable(python: str) -> str:
    found = shutil.which(os.path.expanduser(python))
    if found is None:
        raise ValueError(f"a runtime's Python must be a program that can be run. Received: {python}")
    return os.path.abspath(found)
