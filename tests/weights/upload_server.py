"""The Hugging Face hub's upload API on the loopback: repositories made, files taken, commits; and its refusals."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from tests.weights.hub_server import COMMIT, Handler, Host

LARGE = (".safetensors", ".keras")
"""Ends of names that the hub keeps as large files."""
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"


class UploadHandler(Handler):
    """POST and PUT as huggingface_hub sends them; what is committed can be downloaded."""

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server asks for
        host: Host = self.server.host
        body = self.body()
        host.requests.append((self.command, self.path))
        if host.status != 200:
            return self.answer_json({"error": "refused"}, status=host.status)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer_json({"error": "Invalid username or password."}, status=401)
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            self.server.visibility = asked.get("visibility")
            return self.answer_json({"url": f"{host.url}/{asked['organization']}/{asked['name']}"})
        if self.path == "/api/validate-yaml":
            self.server.card = json.loads(body)["content"]
            return self.answer_json({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            modes = [self.mode(file["path"]) for file in json.loads(body)["files"]]
            return self.answer_json({"files": modes})
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = [{**each, "actions": self.upload_action(each["oid"])} for each in json.loads(body)["objects"]]
            return self.answer_json({"transfer": "basic", "objects": objects})
        if "/commit/" in self.path:
            return self.commit([json.loads(line) for line in body.splitlines()])
        return self.answer_json({"error": "no such place"}, status=404)

    def do_PUT(self) -> None:  # noqa: N802
        self.server.large[self.path.rpartition("/")[2]] = self.body()
        self.answer_json({}, status=self.server.host_of_large_files)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def mode(self, path: str) -> dict[str, Any]:
        return {"path": path, "uploadMode": "lfs" if path.endswith(LARGE) else "regular", "shouldIgnore": False}

    def upload_action(self, oid: str) -> dict[str, Any]:
        return {"upload": {"href": f"{self.server.host.url}/large/{oid}"}}

    def commit(self, lines: list[dict[str, Any]]) -> None:
        host: Host = self.server.host
        repository = self.path.removeprefix("/api/models/").partition("/commit/")[0]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                host.files[f"/{repository}/resolve/main/{value['path']}"] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                host.files[f"/{repository}/resolve/main/{value['path']}"] = self.server.large[value["oid"]]
        self.answer_json({"commitUrl": f"{host.url}/{repository}/commit/{COMMIT}", "commitOid": COMMIT})

    def answer_json(self, content: dict[str, Any], *, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving_uploads() -> Iterator[Any]:
    """A running server; `host` is its Host, and a PUT of a large file answers `host_of_large_files`."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), UploadHandler)
    server.host = Host(url=f"http://127.0.0.1:{server.server_port}")
    server.large, server.visibility, server.card, server.host_of_large_files = {}, None, "", 200
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
