"""One process at a time trains in a workdir: the chief holds the lock of a file there, which dies with its process."""

import errno
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kres.training.workdir import WorkdirError

logger = logging.getLogger(__name__)

LOCK = ".lock"
HELD = (errno.EACCES, errno.EAGAIN)
UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Hold `workdir`, which must be there, against every other process that asks for it so.

    Raises WorkdirError, which tells the other's process number and host, when it is held. Where the file system knows
    no locks (`flock`) a warning is logged: filelock would make do with a file there, which outlives a killed process.
    """
    path = workdir / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            _flock(descriptor)
        except OSError as error:
            if error.errno in HELD:
                holder = os.read(descriptor, 1000).decode(errors="replace") or "of unknown pid"
                raise WorkdirError(
                    f"another process ({holder}) trains in {workdir}: wait for its end, stop it, or use another workdir"
                ) from None
            if error.errno not in UNSUPPORTED:
                raise
            logger.warning("%s cannot be locked (%s): see that no other process trains there", workdir, error.strerror)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"pid {os.getpid()} on {socket.gethostname()}".encode())
        yield
        with suppress(OSError):  # a full disk must not undo a finished run
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)  # which gives the lock back


def _flock(descriptor: int) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "Windows has no flock")
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
