"""The real download code against a server that breaks off, stalls, lies and refuses, and with processes that die."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kres.weights import downloads
from kres.weights.downloads import DownloadError, download
from kres.weights.integrity import Expected
from tests.weights.hub_server import Fault, Host, serving

CONTENT = os.urandom(1000) * 300
OTHER = os.urandom(1000) * 300
EXPECTED = Expected(
    size_bytes=len(CONTENT), md5=hashlib.md5(CONTENT).hexdigest(), sha256=hashlib.sha256(CONTENT).hexdigest()
)
HALF = len(CONTENT) // 2
PATIENCE_SECONDS = 120


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        server.files["/net.h5"] = CONTENT
        yield server


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which the test does not wait for."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "net.h5"


def fetch(host: Host, target: Path, expected: Expected = EXPECTED) -> bytes:
    download(f"{host.url}/net.h5", target, expected=expected)
    return target.read_bytes()


def left(target: Path) -> set[str]:
    """What lies in the cache, but for the lock, which stays."""
    return {path.name for path in target.parent.iterdir()} - {f".{target.name}.lock"}


def test_a_whole_download_leaves_the_file_alone(host: Host, target: Path) -> None:
    assert fetch(host, target) == CONTENT
    assert left(target) == {"net.h5"}
    fetch(host, target)
    assert host.asked == [""]


@pytest.mark.parametrize("waits", [False, True], ids=["breaks off", "stalls"])
def test_the_next_try_goes_on_where_one_ended(
    waits: bool, host: Host, target: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.3)
    host.faults = [Fault(keep=100_000, waits=waits), Fault(keep=50_000, waits=waits)]
    assert fetch(host, target) == CONTENT
    assert host.asked == ["", "bytes=100000-", "bytes=150000-"]


def test_tries_that_bring_nothing_end(host: Host, target: Path, pauses: list[float]) -> None:
    host.faults = [Fault(keep=HALF), *[Fault(keep=0)] * downloads.TRIES]
    with pytest.raises(ConnectionResetError, match=f"ended after {HALF} of {len(CONTENT)} bytes"):
        fetch(host, target)
    assert pauses == [1.0, 1.0, 2.0, 4.0]
    assert not target.exists()
    assert fetch(host, target) == CONTENT  # another day
    assert host.asked[-1] == f"bytes={HALF}-"


@pytest.mark.parametrize("behaviour", [{"ranges": False}, {"validator": "weak"}, {"validator": "none"}], ids=str)
def test_a_server_that_cannot_continue_sends_all_again(
    behaviour: dict[str, object], host: Host, target: Path, pauses: list[float]
) -> None:
    for name, value in behaviour.items():
        setattr(host, name, value)
    host.faults = [Fault(keep=HALF)]
    assert fetch(host, target) == CONTENT
    assert len(host.asked) == 2


@pytest.mark.parametrize("conditions", [True, False], ids=["If-Range honoured", "If-Range ignored"])
def test_two_files_are_never_glued_together(conditions: bool, host: Host, target: Path, pauses: list[float]) -> None:
    """The server's file changes between two tries, and no hash is known that would tell."""
    host.conditions = conditions
    host.faults = [Fault(keep=HALF), Fault(status=404)]
    with pytest.raises(OSError, match="404"):
        fetch(host, target, Expected())
    host.files["/net.h5"] = OTHER
    assert fetch(host, target, Expected()) == OTHER


def test_a_damaged_part_is_found_out_and_fetched_again(host: Host, target: Path) -> None:
    host.faults = [Fault(keep=HALF), Fault(status=404)]
    with pytest.raises(OSError, match="404"):
        fetch(host, target)
    part = target.with_name(".net.h5.part")
    part.write_bytes(bytes(HALF))
    assert fetch(host, target) == CONTENT
    assert host.asked[2:] == [f"bytes={HALF}-", ""]


def test_a_part_that_was_whole_is_not_fetched_again(host: Host, target: Path) -> None:
    """A process that died between the last byte and the renaming."""
    fetch(host, target)
    part = target.rename(target.with_name(".net.h5.part"))
    part.with_suffix(".etag").write_text(host.etag(CONTENT))
    assert fetch(host, target) == CONTENT
    part.write_bytes(CONTENT + b"more")
    part.with_suffix(".etag").write_text(host.etag(CONTENT))
    target.unlink()
    assert fetch(host, target) == CONTENT


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        (replace(EXPECTED, size_bytes=None, sha256=None), "Expected MD5"),
        (replace(EXPECTED, size_bytes=None, md5=None), "Expected SHA256"),
        (Expected(sha256=str(EXPECTED.sha256)[:8].upper()), "Expected SHA256"),
        (Expected(size_bytes=1), r"not downloaded\. Expected 1 bytes\. Received: 300000"),
    ],
)
def test_other_content_is_not_kept(expected: Expected, told: str, host: Host, target: Path) -> None:
    host.files["/net.h5"] = OTHER
    with pytest.raises(DownloadError, match=f"not the published file.*{told}"):
        fetch(host, target, expected)
    assert left(target) == set()


def test_a_file_without_a_published_hash_is_held_against_the_servers(host: Host, target: Path) -> None:
    """As Google Cloud Storage states it."""
    md5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    host.headers = {"X-Goog-Hash": f"crc32c=n03x6A==,md5={md5}"}
    host.faults = [Fault(flips=True)]
    with pytest.raises(DownloadError, match=f"not the published file.*MD5 {EXPECTED.md5}"):
        fetch(host, target, Expected())
    assert left(target) == set()
    host.faults = [Fault(keep=HALF)]
    assert fetch(host, target, Expected()) == CONTENT


def test_the_login_page_of_a_network_is_no_file(host: Host, target: Path) -> None:
    host.headers = {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(DownloadError, match=r"web page.*login"):
        fetch(host, target, Expected())
    assert left(target) == set()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_final(status: int, host: Host, target: Path, pauses: list[float]) -> None:
    host.status = status
    with pytest.raises(OSError, match=str(status)):
        fetch(host, target)
    assert len(host.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(status: int, host: Host, target: Path, pauses: list[float]) -> None:
    host.faults = [Fault(status=status), Fault(status=status, retry_after="7")]
    assert fetch(host, target) == CONTENT
    assert pauses == [1.0, 7.0]
    host.faults = [Fault(status=status)] * downloads.TRIES
    target.unlink()
    with pytest.raises(OSError, match=str(status)):
        fetch(host, target)


def test_a_server_that_wants_an_hour_is_left_alone(host: Host, target: Path, pauses: list[float]) -> None:
    host.status = 200
    host.faults = [Fault(status=429, retry_after="3600")]
    with pytest.raises(OSError, match="429"):
        fetch(host, target)
    assert pauses == []


def test_progress_shows_on_a_terminal_alone(
    host: Host, target: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    fetch(host, target)
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal then
    target.unlink()
    fetch(host, target)
    assert "net.h5" in capfd.readouterr().err


PROGRAM = """
import logging, resource, sys
from pathlib import Path
url, target, limit = sys.argv[1:]
from kres.weights import downloads
from kres.weights.integrity import Expected
downloads.TIMEOUT_SECONDS = 120  # the other process may take long to start
logging.basicConfig(level=logging.INFO, format="%(message)s")
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
downloads.download(url, Path(target), expected=Expected())
"""


def start(host: Host, target: Path, *, limit: int = 0) -> subprocess.Popen[bytes]:
    """A process that downloads, in which no file may grow above `limit` bytes; what it says is added to `log`."""
    with log(target).open("a") as file:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, f"{host.url}/net.h5", str(target), str(limit)],
            env=os.environ | {"KERAS_BACKEND": "numpy"},  # starts in half the time
            stderr=file,
        )


def log(target: Path) -> Path:
    return target.parents[1] / "log"


def wait_until(happened: Callable[[], object], target: Path, *processes: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert all(process.poll() is None for process in processes), log(target).read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_processes_share_one_download(host: Host, target: Path) -> None:
    host.faults = [Fault(keep=HALF, waits=True)]
    both = (start(host, target), start(host, target))
    wait_until(lambda: host.asked and "waiting for it" in log(target).read_text(), target, *both)
    host.go.set()
    assert [process.wait(PATIENCE_SECONDS) for process in both] == [0, 0]
    assert target.read_bytes() == CONTENT
    assert host.asked == [""]


def test_a_killed_process_blocks_nobody_and_its_bytes_are_used(host: Host, target: Path) -> None:
    host.faults = [Fault(keep=HALF, waits=True)]
    process = start(host, target)
    part = target.with_name(".net.h5.part")
    wait_until(lambda: part.exists() and part.stat().st_size == HALF, target, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert left(target) == {".net.h5.part", ".net.h5.etag"}
    assert fetch(host, target) == CONTENT
    assert host.asked == ["", f"bytes={HALF}-"]
    assert left(target) == {"net.h5"}


def test_a_file_larger_than_the_disk_is_not_begun(host: Host, target: Path) -> None:
    host.faults = [Fault(claims=10**18, keep=HALF)]
    with pytest.raises(OSError, match=f"{10**18} bytes to come"):
        fetch(host, target, Expected())
    assert left(target) == set()


def test_a_full_disk_is_told_and_not_kept_full(host: Host, target: Path) -> None:
    process = start(host, target, limit=HALF)
    assert process.wait(PATIENCE_SECONDS) != 0
    assert "File too large" in log(target).read_text()
    assert left(target) == set()
