"""Published files onto this machine: downloaded once, checked, kept in the publisher's own cache."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import Progress

from kres.weights.catalog import Published

KERAS_URL = "https://storage.googleapis.com/tensorflow/keras-applications/resnet"
"""Folder of keras.applications' residual networks."""
TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 20
_NO_NETWORK = (
    "check the network, the proxy and the free disk space, and try again (HF_HUB_OFFLINE forbids all downloads)"
)


class DownloadError(OSError):
    """A published file could not be had; the message says what to do."""


def fetch(name: str, published: Published) -> Path:
    """The local file of a published row, from the cache if it is there.

    timm's come from the Hugging Face hub into its cache (`HF_HOME`, `HF_HUB_OFFLINE` and `HF_ENDPOINT` are obeyed),
    keras.applications' into Keras's (`KERAS_HOME`), where keras.applications finds them too.

    Raises:
        DownloadError: no network and no cached file, an HTTP error, or content of another hash.
    """
    if published.origin == "timm":
        return _from_hub(f"timm/{name}", published.file)
    assert published.md5 is not None
    return _from_keras(published.file, md5=published.md5)


def _from_hub(repo: str, file: str) -> Path:
    # Half a second of imports that only a download needs.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    try:
        return Path(hf_hub_download(repo_id=repo, filename=file))
    except LocalEntryNotFoundError as error:
        # Not in the cache; the cause is what stood between us and the hub.
        reason = error.__cause__ if isinstance(error.__cause__, Exception) else error
        advice = _advice(reason.response.status_code) if isinstance(reason, HfHubHTTPError) else _NO_NETWORK
        raise _download_error(repo, file, advice, reason) from error
    except HfHubHTTPError as error:
        raise _download_error(repo, file, _advice(error.response.status_code), error) from error
    except (OSError, HTTPError) as error:  # the second: its HTTP library's own
        raise _download_error(repo, file, _NO_NETWORK, error) from error


def _from_keras(file: str, *, md5: str) -> Path:
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    target = Path(home) / "models" / file
    if target.exists() and _md5(target) == md5:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _download(f"{KERAS_URL}/{file}", target, md5=md5)
    except urllib.error.HTTPError as error:
        raise _download_error(KERAS_URL, file, _advice(error.code), error) from error
    except DownloadError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise _download_error(KERAS_URL, file, _NO_NETWORK, error) from error
    return target


def _download(url: str, target: Path, *, md5: str) -> None:
    """Fetch into a temporary file beside the target, check it, and only then give it the target's name."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as part, urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            _copy(response, part, size=int(response.headers.get("Content-Length") or 0), title=target.name)
        if (received := _md5(temporary)) != md5:
            raise DownloadError(
                f"{url} was cut short or is not the published file, and was not kept: try again. "
                f"Expected MD5 {md5}. Received: {received}"
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(source: IO[bytes], part: IO[bytes], *, size: int, title: str) -> None:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=size or None)
        while chunk := source.read(_CHUNK_BYTES):
            part.write(chunk)
            progress.advance(task, len(chunk))


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _advice(status: int) -> str:
    if status in (401, 403, 404):
        return "there is no such file, or it asks for a token: `hf auth login`"
    if status == 429:
        return "too many requests: wait some minutes, then try again"
    return "the server has a fault: try again later"


def _download_error(place: str, file: str, advice: str, error: Exception) -> DownloadError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return DownloadError(
        f"{file} of {place} could not be downloaded: {advice}. Or fetch it by other means and give its path. ({reason})"
    )
