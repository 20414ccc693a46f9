"""Gives artifacts their names together with the JSON that describes each: no JSON ever stands beside another file."""

import logging
import os
import shutil
from pathlib import Path

from kres.export.beside import path_of
from kres.export.naming import previous_name, rejected_name
from kres.writing import move

logger = logging.getLogger("kres")


def accept(written: Path, facts: Path, path: Path) -> None:
    """Give an artifact and its JSON their final names; what earlier exports left aside is gone then.

    The directory of `facts`, here and in `reject`, takes what is to be removed. Where this ends before the artifact has
    its name, what stood there keeps its JSON.
    """
    own, replaced = path_of(path), facts.with_name("replaced.json")
    try:
        if own.exists():
            os.rename(own, replaced)
        move(written, path)
    except BaseException:
        if written.exists() and replaced.exists():
            os.rename(replaced, own)
        raise
    os.replace(facts, own)
    for leftover in (rejected_name(path), previous_name(path)):
        _clear(leftover, facts.parent)


def reject(written: Path | None, facts: Path, path: Path) -> None:
    """Free the final name and put the artifact, where one could be made, and its JSON beside it as `.rejected`.

    What stood under the final name is kept as `.previous`.
    """
    _set_aside(path, facts.parent)
    rejected = rejected_name(path)
    _clear(rejected, facts.parent)
    if written is not None:
        move(written, rejected)
    os.replace(facts, path_of(rejected))


def _set_aside(path: Path, scratch: Path) -> None:
    """Free a name: what stands there and its JSON become `.previous`, in place of those that may be there already.

    Whatever ends this in between, one name or the other holds the artifact with its own JSON.
    """
    kept, own = previous_name(path), path_of(path)
    if path.exists():
        _clear(kept, scratch)
        if own.exists():
            os.replace(shutil.copyfile(own, scratch / "previous.json"), path_of(kept))
        os.rename(path, kept)
        logger.warning("%s is of an earlier export, and no longer under its name: it is kept as %s", path, kept.name)
    own.unlink(missing_ok=True)


def _clear(path: Path, scratch: Path) -> None:
    """Take an artifact, a file or a directory, away in one step, its JSON before; to remove a directory takes many."""
    path_of(path).unlink(missing_ok=True)
    if path.exists():
        os.rename(path, scratch / f"{path.name}.discarded")
