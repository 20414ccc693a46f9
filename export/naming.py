"""What lies beside an artifact: the names of those that were rejected, and of those that a later export displaced."""

from pathlib import Path


def rejected_name(path: Path) -> Path:
    """Give the place of an artifact that does not get the name `path`."""
    return path.with_name(f"{path.name}.rejected")


def previous_name(path: Path) -> Path:
    """Give the place of an older artifact whose name `path` is free since a later export failed."""
    return path.with_name(f"{path.name}.previous")
