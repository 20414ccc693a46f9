"""A server on the loopback that answers as the Hugging Face hub and as a plain file host do."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Host:
    """What the server has, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    """By path; the hub's are /<repository>/resolve/main/<file>."""
    status: int = 200
    cut: int = 0
    """Bytes that a body lacks at its end, against its announced length."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD with the headers that huggingface_hub asks for."""

    server: Any

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        host: Host = self.server.host
        host.requests.append((self.command, self.path))
        content = host.files.get(self.path)
        if host.status != 200 or content is None:
            self.send_response(host.status if host.status != 200 else 404)
            if content is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if body:
            self.wfile.write(content[start : len(content) - host.cut])

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests read `Host.requests`."""


@contextmanager
def serving() -> Iterator[Host]:
    """A running server; `host.url` is its address."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.host = Host(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
