"""What tests of every area share."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

LEAN = Path(__file__).parent / "lean"
# Of 80 columns and without colours, for rich: whatever standard output is.
TERMINAL = {"TTY_COMPATIBLE": "1", "COLUMNS": "80", "TERM": "dumb"}


def lean(**variables: str) -> dict[str, str]:
    """An environment, with these `variables`, in which processes that run kres start sooner: see tests/lean."""
    path = os.pathsep.join(filter(None, [str(LEAN), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **variables}


def require_all() -> bool:
    """True where every test must run, as in continuous integration."""
    return os.environ.get("KRES_REQUIRE_ALL", "") not in ("", "0")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, or fail it where KRES_REQUIRE_ALL=1 says that nothing may be missing."""
    if require_all():
        pytest.fail(f"KRES_REQUIRE_ALL is set and this test cannot run: {reason}", pytrace=False)
    pytest.skip(reason)


@contextmanager
def closed_directory(parent: Path) -> Iterator[Path]:
    """A directory within `parent` that nothing can be written to."""
    closed = parent / "closed"
    closed.mkdir(mode=0o555)
    # Root may write anywhere, and containers run as root: as another user, then, who has to get here first.
    for directory in (parent, *parent.parents):
        if not (mode := directory.stat().st_mode) & 0o001:
            directory.chmod(mode | 0o055)
    root = os.geteuid() == 0
    if root:
        os.setegid(65534)
        os.seteuid(65534)
    try:
        yield closed
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)
