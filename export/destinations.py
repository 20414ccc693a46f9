"""Where artifacts may be written; told without Keras, so that a command can refuse at once."""

import os
from pathlib import Path


def check_path(path: str | Path, name: str) -> None:
    """Raise an OSError before the long work when `path` cannot be written, or holds what no export may replace."""
    path = Path(path)
    if not path.parent.is_dir():
        raise NotADirectoryError(f"an artifact needs an existing directory. Received: {path.parent}")
    _check_writable(path.parent)
    if name != "saved_model" and path.is_dir():
        raise IsADirectoryError(f"a file cannot replace a directory. Received: {path}")
    if name == "saved_model" and path.exists() and not (path / "saved_model.pb").is_file():
        raise FileExistsError(f"a SavedModel replaces a SavedModel alone. Received: {path}")


def check_directory(directory: Path) -> None:
    """Raise an OSError before the long work when `directory` is neither there nor can be made."""
    nearest = next(parent for parent in (directory, *directory.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"an artifact needs a directory. Received: {directory}, where {nearest} is a file")
    _check_writable(nearest)


def _check_writable(directory: Path) -> None:
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"an artifact needs a directory that can be written. Received: {directory}")
