"""What a pass over all the data found, kept for the next run: where records lie, which images are readable.

An entry lies in `$XDG_CACHE_HOME/kres/data` (`~/.cache` by default), is written whole or not at all, and holds only
while every file has the size and the time of change that it had then. It may be deleted at any time.
"""

import hashlib
import logging
import os
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kres.caching import user_cache
from kres.writing import write_atomically

logger = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]

# Some file systems count time in steps of two seconds: a file this young may change and still look the same.
UNSETTLED_NS = 2 * 10**9


def cached(kind: str, files: Sequence[str], make: Callable[[], Arrays], *, question: str = "") -> Arrays:
    """`make()`, or what it gave when `files` were as they are now.

    `kind` names the entry and `question` is all else that the answer depends on. A cache that cannot be written costs
    a warning and the next pass; one that is damaged is made anew.
    """
    began = time.time_ns()
    before = _state(files, question)
    if before is None:
        return make()
    identity, changed = before
    path = _path(kind, files, question)
    found = _read(path, identity)
    if found is not None:
        return found
    made = make()
    if changed < began - UNSETTLED_NS and _state(files, question) == before:
        _write(path, identity, made)
    return made


def _state(files: Sequence[str], question: str) -> tuple[str, int] | None:
    """A digest of names, sizes and times of change, and the last of these; None when there is no file to look at."""
    digest, changed = hashlib.sha256(question.encode()), 0
    for file in files:
        try:
            state = os.stat(file)
        except OSError:
            return None
        digest.update(f"\n{os.path.abspath(file)}\t{state.st_size}\t{state.st_mtime_ns}".encode())
        changed = max(changed, state.st_mtime_ns)
    return (digest.hexdigest(), changed) if files else None


def _path(kind: str, files: Sequence[str], question: str) -> Path:
    """One place for the same names and question, so that an entry replaces the one before."""
    names = "\n".join([question, *map(os.path.abspath, files)])
    return user_cache() / "kres" / "data" / f"{kind}-{hashlib.sha256(names.encode()).hexdigest()[:24]}.npz"


def _read(path: Path, identity: str) -> Arrays | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return arrays if arrays.pop("identity").item() == identity else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        logger.warning("%s is damaged and will be made anew: %s", path, error)
        return None


def _write(path: Path, identity: str, arrays: Arrays) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {**arrays, "identity": np.array(identity)}
        write_atomically(path, lambda aside: np.savez(aside, **content))
    except OSError as error:
        logger.warning("%s could not be written, so the next run must look through the data again: %s", path, error)
