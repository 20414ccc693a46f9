"""Reads the JSON that lies beside an artifact, and says whether it is that artifact's."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from kres.export.formats import FORMATS, Tolerance
from kres.preprocessing import Preprocess

SUFFIX = ".json"
SCHEMA = 1
"""Goes up when a reader of the JSON must change."""

logger = logging.getLogger("kres")


def path_of(artifact: Path) -> Path:
    """Give the place of an artifact's sidecar: `model.int8.tflite.json` for `model.int8.tflite`."""
    return artifact.with_name(artifact.name + SUFFIX)


def facts_beside(artifact: Path) -> dict[str, Any] | None:
    """Give what the sidecar of an artifact says, be it of a file that lay there before; None where there is none."""
    try:
        return _facts(artifact)
    # Any file may have that name.
    except (OSError, ValueError, TypeError, KeyError):
        return None


def preprocess_beside(artifact: Path) -> Preprocess | None:
    """Give what the sidecar of an artifact says of its preprocessing; None where there is none, or of another file."""
    try:
        found = _own_facts(artifact)
        return None if found["preprocess"] is None else Preprocess(**found["preprocess"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def tolerance_beside(artifact: Path, name: str) -> Tolerance:
    """Give the bounds of format `name`, with the drop that an artifact's sidecar says its export was asked for.

    They are the format's own where there is no sidecar, or one of another format; of one that is damaged or of another
    file, the log warns.
    """
    beside, own = path_of(artifact), FORMATS[name].tolerance
    if not beside.exists():
        return own
    try:
        found = _own_facts(artifact)
        drop: Any = found["verification"]["tolerance"]["drop"] if found["format"] == name else own.drop
        if drop == own.drop:
            return own
        allowed = own.allowing(100 * drop)
    except (OSError, ValueError, TypeError, KeyError) as error:
        words = "it lacks what an export writes" if isinstance(error, TypeError | KeyError) else str(error)
        logger.warning("%s is left aside, and %s is judged as any %s: %s", beside, artifact.name, name, words)
        return own
    logger.info("%s may lose %g points of top-1, as %s says", artifact.name, 100 * drop, beside.name)
    return allowed


def _facts(artifact: Path) -> dict[str, Any]:
    found = json.loads(path_of(artifact).read_text(encoding="utf-8"))
    if found["schema"] != SCHEMA:
        raise ValueError(f"its schema must be {SCHEMA}. Received: schema={found['schema']!r}")
    return found


def _own_facts(artifact: Path) -> dict[str, Any]:
    """Read the sidecar of an artifact; raises ValueError and its like where it is none, or another file's."""
    found = _facts(artifact)
    if found["sha256"] != sha256(artifact):
        raise ValueError("it is of another file, whose sha256 differs")
    return found


def sha256(path: Path) -> str:
    """Give the hash of a file; of a directory, that of the lines `<hash>  <relative path>` of its files, sorted."""
    if path.is_dir():
        files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        lines = "".join(f"{sha256(path / name)}  {name}\n" for name in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
