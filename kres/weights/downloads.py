"""A file from a plain URL: resumed where it broke off, checked, and only then given its name.

The Hugging Face hub's files do not come this way: huggingface_hub fetches those.
"""

import errno
import http.client
import logging
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from kres.weights.integrity import Expected, stated_md5

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30.0
"""Silence of a server after which a try has failed."""
TRIES = 4
"""Tries in a row that may bring nothing new."""
LONGEST_PAUSE_SECONDS = 60.0
"""A server that asks for a longer one is left alone."""
_CHUNK_BYTES = 1 << 20
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MAY_PASS = (TimeoutError, ConnectionResetError, ConnectionAbortedError, http.client.IncompleteRead, ssl.SSLEOFError)
_STATUS_MAY_PASS = (408, 429, 500, 502, 503, 504)


class DownloadError(OSError):
    """A published file could not be had; the message says what to do."""


def download(url: str, target: Path, *, expected: Expected) -> None:
    """Bring the file of `url` to `target`, which is at any time either absent or whole.

    What a try that broke off or was killed has received stays beside the target, and the next one goes on from there
    unless the server's file has changed since. Of several processes one downloads and the others wait for it.

    Raises:
        DownloadError: the content is not the published file.
        OSError: the server refuses or cannot be reached (urllib.error.URLError), the folder cannot be written, or the
            disk is full.
        http.client.HTTPException: what answers does not speak HTTP.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(target.with_name(f".{target.name}.part"))
    with _alone(target):
        if expected.met_by(target):  # another process was faster
            return
        try:
            fault = _complete(url, part, expected)
        except OSError as error:
            if isinstance(error, DownloadError) or error.errno in NO_SPACE:
                part.discard()  # of no use to anyone, or what keeps the disk full
            raise
        if fault is not None:
            part.discard()
            raise DownloadError(
                f"{url} was cut short or is not the published file, and was not kept: try again. {fault}"
            )
        part.path.replace(target)
        part.discard()


@dataclass(frozen=True)
class _Part:
    """The bytes received so far, and what the server called the file that they are of."""

    path: Path

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".etag")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def validator(self) -> str:
        """The server's ETag or date of the file; empty where the bytes cannot be continued."""
        return self._note.read_text(encoding="utf-8") if self.size and self._note.exists() else ""

    def start(self, validator: str) -> None:
        """Forget all bytes, in an order that never leaves old bytes under a new validator."""
        self.discard()
        if validator:
            self._note.write_text(validator, encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the target's lock; the system takes it from a process that dies."""
    from filelock import FileLock, Timeout  # needed as rarely as a download is

    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("another process is downloading %s: waiting for it", target.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _complete(url: str, part: _Part, expected: Expected) -> str | None:
    """Receive what the part lacks; the fault of the whole, if any."""
    continued = bool(part.validator)
    fault = _receive_all(url, part, expected).fault(part.path)
    if fault is not None and continued:  # the bytes of an earlier process may be the wrong ones
        part.discard()
        fault = _receive_all(url, part, expected).fault(part.path)
    return fault


def _receive_all(url: str, part: _Part, expected: Expected) -> Expected:
    """Try until all is here, as long as each few tries bring something new; what the whole must be."""
    fruitless, most = 0, part.size
    while True:
        try:
            md5 = _receive(url, part, expected)
            return replace(expected, md5=expected.md5 or md5)
        except (OSError, http.client.HTTPException) as error:
            fruitless = 0 if part.size > most else fruitless + 1
            most = max(most, part.size)
            pause = _pause(error, fruitless)
            if pause is None or fruitless == TRIES:
                raise
            logger.info("%s: %s; next try in %g s", url, str(error) or type(error).__name__, pause)
            time.sleep(pause)


def _pause(error: Exception, fruitless: int) -> float | None:
    """Seconds until the next try; None where none can help."""
    pause = 2.0 ** max(fruitless - 1, 0)
    if isinstance(error, urllib.error.HTTPError):
        asked = error.headers.get("Retry-After", "")
        pause = float(asked) if asked.isdecimal() else pause
        return pause if error.code in _STATUS_MAY_PASS and pause <= LONGEST_PAUSE_SECONDS else None
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return pause if isinstance(reason, _MAY_PASS) else None


def _receive(url: str, part: _Part, expected: Expected) -> str | None:
    """One request, for the rest of the file where the part can be continued, else for all; the MD5 that it states."""
    validator = part.validator
    start = part.size if validator else 0
    headers = {"Range": f"bytes={start}-", "If-Range": validator} if start else {}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if error.headers.get("Content-Range") == f"bytes */{start}":  # all was here
            return stated_md5(error.headers)
        part.discard()
        raise ConnectionResetError(f"{start} bytes cannot be continued") from error
    with response:
        if response.status == 206:
            theirs = (_content_range_start(response.headers), _validator(response.headers))
            if theirs != (start, validator):
                part.discard()
                raise ConnectionResetError(f"the server continued another file or place: {theirs}")
        else:  # the whole file: the first try, another file than before, or a server that cannot continue
            start = 0
            part.start(_validator(response.headers))
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        _refuse_in_advance(url, response.headers, start=start, total=total, expected=expected, folder=part.path.parent)
        _copy(response, part.path, start=start, total=total, title=url.rpartition("/")[2])
    if total is not None and part.size < total:
        raise ConnectionResetError(f"the connection ended after {part.size} of {total} bytes")
    return stated_md5(response.headers)


def _refuse_in_advance(
    url: str, headers: Message, *, start: int, total: int | None, expected: Expected, folder: Path
) -> None:
    """What would show only after the whole download, or, of a file without a hash, not even then."""
    if headers.get_content_type() == "text/html":
        raise DownloadError(f"{url} answered with a web page: a network that wants a login first may have sent it.")
    if total is None:
        return
    if expected.size_bytes not in (None, total):
        raise DownloadError(
            f"{url} is not the published file, and was not downloaded. "
            f"Expected {expected.size_bytes} bytes. Received: {total}"
        )
    free = shutil.disk_usage(folder).free
    if free < total - start:
        raise OSError(errno.ENOSPC, f"{total - start} bytes to come, {free} free")


def _copy(source: IO[bytes], path: Path, *, start: int, total: int | None, title: str) -> None:
    """Append what comes to the file, as it comes: a try that breaks off keeps what it has received."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        ) as progress,
        path.open("ab" if start else "wb") as part,
    ):
        task = progress.add_task(title, total=total, completed=start)
        while chunk := source.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
            part.write(chunk)
            progress.advance(task, len(chunk))


def _validator(headers: Message) -> str:
    """What If-Range may hold: a strong ETag, else the date of the last change, else nothing."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _content_range_start(headers: Message) -> int | None:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else None
