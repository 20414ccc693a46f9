"""Files and folders of the user's, whole or not there at all: a temporary name beside their place, then a rename."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file beside `path` (same suffix), then rename it: the old file stays until then."""
    aside = _beside(path)
    try:
        aside.touch()  # a folder that cannot be written to is told in the same words, whatever writes
        write(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """A new folder to fill beside `path`, which gets its name at the end: an old one stays until then."""
    with scratch_beside(path) as scratch:
        folder = scratch / "new"
        folder.mkdir()
        yield folder
        move(folder, path)


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """A folder beside `path` of this process alone, which is gone in the end."""
    scratch = _beside(path)
    try:
        scratch.mkdir(mode=0o700)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def folder_made(path: Path) -> Iterator[None]:
    """A folder that is there, its parents too; what was made for it is gone again where an error leaves it empty."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    # An interrupt too, be it before all of them are made.
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


def move(source: Path, target: Path) -> None:
    """Give a file or directory its name; what stood there before is gone only when the new one stands."""
    if not source.is_dir():
        os.replace(source, target)
        return
    # A directory cannot be replaced in one step, so the old one waits beside the new one until that has its name.
    old = source.with_name(f"{source.name}.old")
    try:
        if target.exists():
            os.rename(target, old)
        os.rename(source, target)
    # An interrupt too: whoever made the folder of both removes it then.
    except BaseException:
        if not target.exists():
            with suppress(OSError):
                os.rename(old, target)
        raise


def _beside(path: Path) -> Path:
    """A name beside `path` that nothing has, known before anything is made: an interrupt finds it whenever it comes."""
    return path.with_name(f".{path.stem}.{token_hex(8)}{path.suffix}")
