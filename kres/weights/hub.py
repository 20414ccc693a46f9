"""Published files onto this machine: downloaded once, checked, kept in the publisher's own cache."""

import http.client
import re
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kres.caching import from_environment, user_cache
from kres.weights.catalog import Published
from kres.weights.downloads import NO_SPACE, DownloadError, download
from kres.weights.integrity import Expected


@dataclass(frozen=True, kw_only=True)
class Site:
    """A plain file host: the folder of its files, and the cache where its publisher's own library looks for them."""

    url: str
    cache: Callable[[], Path]


SITES = {
    "keras": Site(
        url="https://storage.googleapis.com/tensorflow/keras-applications/resnet",
        cache=lambda: from_environment("KERAS_HOME", "~/.keras") / "models",
    ),
    "torchvision": Site(
        url="https://download.pytorch.org/models",
        cache=lambda: from_environment("TORCH_HOME", str(user_cache() / "torch")) / "hub" / "checkpoints",
    ),
    "bit": Site(url="https://storage.googleapis.com/bit_models", cache=lambda: user_cache() / "kres" / "bit"),
}
REPOSITORIES = {"timm": "timm/{name}", "kerashub": "keras/{tag}"}
"""Repositories of the Hugging Face hub, by the catalogue's name of a file or the tag in it."""

_NO_NETWORK = "check the network and the proxy, and try again (HF_HUB_OFFLINE forbids all downloads)"
_NO_ROOM = "make room on the disk, or move the cache by its environment variable"
_NO_CACHE = "its cache must be a folder that you may write to"
_BUSY = "too many requests: wait some minutes, then try again"
_FAULT = "the server has a fault: try again later"
_REFUSED_BY_HUB = "there is no such file, or it asks for a token: `hf auth login`"
_REFUSED_BY_SITE = "there is no such file any more, or not for everyone: a newer kres may know its place"


def fetch(name: str, published: Published) -> Path:
    """The local file of a published row, from the cache if it is there, checked against all that the row says of it.

    A classifier in a file of its own comes into the same folder.

    timm's and KerasHub's come from the Hugging Face hub into its cache (`HF_HOME` and `HF_ENDPOINT` are obeyed). The
    others go where their own libraries find them too: keras.applications' into Keras's cache (`KERAS_HOME`),
    torchvision's into PyTorch's (`TORCH_HOME`), BiT's into `kres/bit` of the user's (`XDG_CACHE_HOME`).
    `HF_HUB_OFFLINE=1` forbids every download.

    Raises:
        DownloadError: no network and no cached file, an HTTP error, a full disk, or content of another size or hash.
    """
    expected = Expected(size_bytes=published.size_bytes, md5=published.md5, sha256=published.sha256)
    repository = repository_of(name, published)
    if repository is not None:
        if published.head_file is not None:
            _from_hub(repository, published.head_file, expected=Expected())  # its place is beside the other
        return _from_hub(repository, published.file, expected=expected)
    return _from_site(SITES[published.origin], published.file, expected=expected)


def repository_of(name: str, published: Published) -> str | None:
    """The Hugging Face hub's repository, `owner/name`, of a published row; None for what is elsewhere."""
    template = REPOSITORIES.get(published.origin)
    return None if template is None else template.format(name=name, tag=name.partition(".")[2])


def fetch_file(repository: str, file: str) -> Path:
    """The local copy of a file in any repository, `owner/name`, of the Hugging Face hub; raises DownloadError."""
    return _from_hub(repository, file, expected=Expected())


def _from_hub(repository: str, file: str, *, expected: Expected) -> Path:
    path = _hub_download(repository, file)
    if (fault := _hub_fault(path, expected)) is not None:
        path = _hub_download(repository, file, again=True)  # the cached one may be damaged
        fault = _hub_fault(path, expected)
    if fault is not None:
        raise DownloadError(
            f"{file} of {repository} was damaged on its way or is not the published file: try again, or update kres "
            f"if it has changed there, or give a path to the file that you mean. {fault}"
        )
    return path


def _hub_fault(path: Path, expected: Expected) -> str | None:
    """How a file of the hub's cache differs from the catalogue or, where that is silent, from the hub's own hash."""
    # huggingface_hub checks the size alone, and calls a large file in its cache by the hash that the hub has of it.
    blob = path.resolve().name
    recorded = blob if re.fullmatch("[0-9a-f]{64}", blob) else None
    return replace(expected, sha256=expected.sha256 or recorded).fault(path)


def _hub_download(repository: str, file: str, *, again: bool = False) -> Path:
    # Half a second of imports that only a download needs.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    try:
        return Path(hf_hub_download(repo_id=repository, filename=file, force_download=again))
    except (OSError, HTTPError) as error:  # the second: its HTTP library's own
        reason: Exception = error
        if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
            reason = error.__cause__  # not in the cache: what stood between us and the hub
        status = reason.response.status_code if isinstance(reason, HfHubHTTPError) else None
        advice = _advice(reason, status=status, refused=_REFUSED_BY_HUB)
        raise _download_error(repository, file, advice, reason) from error


def _from_site(site: Site, file: str, *, expected: Expected) -> Path:
    from huggingface_hub import constants

    target = site.cache() / file
    if expected.met_by(target):
        return target
    if constants.HF_HUB_OFFLINE:
        raise DownloadError(
            f"{file} of {site.url} is not in {target.parent}, and HF_HUB_OFFLINE forbids all downloads: unset it, or "
            "fetch the file by other means and give its path."
        )
    try:
        download(f"{site.url}/{file}", target, expected=expected)
    except DownloadError:
        raise
    except (OSError, http.client.HTTPException) as error:
        status = error.code if isinstance(error, urllib.error.HTTPError) else None
        advice = _advice(error, status=status, refused=_REFUSED_BY_SITE)
        raise _download_error(site.url, file, advice, error) from error
    return target


def _advice(error: Exception, *, status: int | None, refused: str) -> str:
    if status is not None:
        return refused if status in (401, 403, 404, 410) else _BUSY if status == 429 else _FAULT
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return _NO_ROOM
    return _NO_CACHE if isinstance(error, OSError) and error.filename else _NO_NETWORK


def _download_error(place: str, file: str, advice: str, error: Exception) -> DownloadError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return DownloadError(
        f"{file} of {place} could not be downloaded: {advice}. Or fetch it by other means and give its path. ({reason})"
    )
