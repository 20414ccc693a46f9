"""The optional dependencies that some formats take: which are missing, and the words that say how to install them."""

from importlib.util import find_spec

EXTRAS = {"quantizer": ("ai_edge_quantizer",), "onnx": ("onnx", "onnxruntime", "tf2onnx")}
"""Packages that an extra of kres brings, by the names that they are imported by."""


class MissingExtraError(ModuleNotFoundError):
    """A format needs packages that are not installed; the message names the extra of kres that brings them."""


def absent(extra: str | None) -> str:
    """Say what is missing of an extra and how to install it; nothing where all is there, or no extra is needed."""
    missing = [package for package in EXTRAS[extra] if find_spec(package) is None] if extra else []
    return f"it needs {', '.join(missing)}: pip install 'kres[{extra}]'" if missing else ""


def require(extra: str | None, *, what: str) -> None:
    """Raise MissingExtraError where `what` needs an extra that is not installed."""
    if words := absent(extra):
        raise MissingExtraError(f"{what} cannot be made or run here, {words}")
