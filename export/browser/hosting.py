"""Serves a static page on this machine alone, with the headers that let WebAssembly use threads."""

import errno
import logging
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
logger = logging.getLogger(__name__)


class _Handler(SimpleHTTPRequestHandler):
    # Python knows the types from the system's tables, and a browser takes no other than these.
    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".json": "application/json",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        # Browsers share memory between threads in pages that are isolated from all others.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        # The folder may be written anew while this serves it.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, its parent's name
        logger.debug(format, *args)


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Give a server of `folder` on a port, any free one for 0; raises OSError for one in use or forbidden."""
    try:
        return ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        reason = "in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise OSError(
            f"port {port} cannot be served on, it is {reason}: choose another. Received: port={port}"
        ) from error
    except OverflowError as error:
        raise ValueError(f"a port lies between 0 and 65535. Received: port={port}") from error


def address(server: ThreadingHTTPServer) -> str:
    """Give the address that a browser opens."""
    return f"http://localhost:{server.server_port}/"
