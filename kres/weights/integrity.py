"""Whether a file is the published one: size and hashes, from the catalogue or from the server's headers."""

import base64
import hashlib
from dataclasses import dataclass
from email.message import Message
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a publisher says about a file; None where it says nothing."""

    size_bytes: int | None = None
    md5: str | None = None
    sha256: str | None = None
    """All of it, or its first eight or more hexadecimal digits."""

    def met_by(self, path: Path) -> bool:
        """Whether `path` holds the published file as far as can be known."""
        return path.exists() and self.fault(path) is None

    def fault(self, path: Path) -> str | None:
        """How the file at `path` differs from the published one; None where nothing shows that it does."""
        if self.size_bytes not in (None, size := path.stat().st_size):
            return f"Expected {self.size_bytes} bytes. Received: {size}"
        for algorithm, digest in (("md5", self.md5), ("sha256", self.sha256)):
            if digest is not None and not (received := _hash(path, algorithm)).startswith(digest.lower()):
                return f"Expected {algorithm.upper()} {digest}. Received: {received}"
        return None


def stated_md5(headers: Message) -> str | None:
    """The MD5 of the whole file, as Google Cloud Storage states it with each part of it; None elsewhere."""
    for field in ",".join(headers.get_all("X-Goog-Hash", [])).split(","):
        algorithm, _, digest = field.strip().partition("=")
        if algorithm == "md5":
            return base64.b64decode(digest).hex()
    return None


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
