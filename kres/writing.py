"""Files and folders of the user's, whole or not there at all: a temporary name beside their place, then a rename."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file beside `path` (same suffix), then rename it: the old file stays until then."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    aside = Path(name)
    try:
        write(aside)
        aside.chmod(0o666 & ~_umask())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """A new folder to fill beside `path`, which gets its name at the end: an old one stays until then."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        folder = scratch / "new"
        folder.mkdir()
        yield folder
        move(folder, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def folder_made(path: Path) -> Iterator[None]:
    """A folder that is there, its parents too; what was made for it is gone again where an error leaves it empty."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    # An interrupt too.
    except BaseException:
        with suppress(OSError):
            for folder in missing:
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
