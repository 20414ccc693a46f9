"""A server on the loopback that answers as the Hugging Face hub and as a plain file host do, and fails as they fail."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one GET."""

    status: int = 200
    retry_after: str | None = None
    keep: int | None = None
    """Bytes of the body after which nothing comes: the connection ends or, with `waits`, is silent until `Host.go`."""
    waits: bool = False
    claims: int | None = None
    """The length that is announced, where it is another than the content's."""
    flips: bool = False
    """The body's last bit."""


@dataclass
class Host:
    """What the server has, how it behaves, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    """By path; the hub's are /<repository>/resolve/main/<file>."""
    status: int = 200
    """Of every answer."""
    cut: int = 0
    """Bytes that every body lacks at its end, against its announced length."""
    faults: list[Fault] = field(default_factory=list)
    """Of the next GETs, one each."""
    ranges: bool = True
    """Whether Range is honoured."""
    conditions: bool = True
    """Whether If-Range is."""
    validator: str = "strong"
    """The ETag's kind: strong, weak, or none (then there is no date either)."""
    headers: dict[str, str] = field(default_factory=dict)
    """More of them, of every answer with a file."""
    go: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """The Range of each GET, empty where it has none."""
    url: str = ""

    def etag(self, content: bytes) -> str:
        return ("W/" if self.validator == "weak" else "") + f'"{hashlib.sha256(content).hexdigest()}"'


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD with the headers that huggingface_hub asks for."""

    server: Any

    def do_HEAD(self) -> None:
        self.answer(Fault(), body=False)

    def do_GET(self) -> None:
        host: Host = self.server.host
        host.asked.append(self.headers.get("Range", ""))
        self.answer(host.faults.pop(0) if host.faults else Fault(), body=True)

    def answer(self, fault: Fault, *, body: bool) -> None:
        host: Host = self.server.host
        host.requests.append((self.command, self.path))
        content = host.files.get(self.path)
        status = host.status if host.status != 200 else fault.status
        if status != 200 or content is None:
            self.refuse(status if status != 200 else 404, missing=content is None, retry_after=fault.retry_after)
            return
        start, length = self.first_byte(content), fault.claims or len(content)
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if host.validator != "none":
            self.send_header("ETag", host.etag(content))
        for name, value in host.headers.items():
            self.send_header(name, value)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("Content-Length", str(length - start))
        self.end_headers()
        if body:
            self.send(content[start : len(content) - host.cut], fault)

    def refuse(self, status: int, *, missing: bool, retry_after: str | None) -> None:
        self.send_response(status)
        if missing:
            self.send_header("X-Error-Code", "EntryNotFound")
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def first_byte(self, content: bytes) -> int:
        host: Host = self.server.host
        changed = host.conditions and self.headers.get("If-Range", host.etag(content)) != host.etag(content)
        if not host.ranges or changed:
            return 0
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])

    def send(self, body: bytes, fault: Fault) -> None:
        if fault.flips:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.wfile.write(body[: fault.keep])
        if fault.keep is not None and fault.waits:
            self.wfile.flush()
            self.server.host.go.wait(120)
            self.wfile.write(body[fault.keep :])

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests read `Host.requests`."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that went away: some of them are killed."""


@contextmanager
def serving() -> Iterator[Host]:
    """A running server; `host.url` is its address."""
    server: Any = Server(("127.0.0.1", 0), Handler)
    server.host = Host(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.host
    finally:
        server.host.go.set()
        server.shutdown()
        server.server_close()
        thread.join()
