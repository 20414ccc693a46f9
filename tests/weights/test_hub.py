"""Downloads by the real code, from a server on the loopback that also fails."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kres.weights import PUBLISHED, DownloadError, hub
from tests.weights.hub_server import Host, serving

NAME = "resnet18.a1_in1k"
ON_HUB = f"/timm/{NAME}/resolve/main/model.safetensors"
CONTENT = bytes(range(256)) * 1000
KERAS = replace(PUBLISHED["keras_resnet50.imagenet"], md5=hashlib.md5(CONTENT).hexdigest())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    from huggingface_hub import constants

    with serving() as server:
        # Read from HF_ENDPOINT and HF_HOME when huggingface_hub is imported, which another test may have done.
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(hub, "KERAS_URL", server.url)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # huggingface_hub waits 23 s in all between its tries
        yield server


def keras_folder(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "keras" / "models").iterdir()]


def test_a_file_comes_from_the_hub_once(host: Host) -> None:
    host.files[ON_HUB] = CONTENT
    assert hub.fetch(NAME, PUBLISHED[NAME]).read_bytes() == CONTENT
    hub.fetch(NAME, PUBLISHED[NAME])
    assert host.requests.count(("GET", ON_HUB)) == 1


def test_a_cached_file_needs_no_network(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    host.files[ON_HUB] = CONTENT
    hub.fetch(NAME, PUBLISHED[NAME])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    host.requests.clear()
    assert hub.fetch(NAME, PUBLISHED[NAME]).read_bytes() == CONTENT
    assert not host.requests


@pytest.mark.parametrize(
    ("status", "advice"),
    [(404, "no such file"), (401, "asks for a token"), (429, "too many requests: wait"), (500, "try again later")],
)
def test_http_errors_say_what_to_do(status: int, advice: str, host: Host) -> None:
    host.status = status
    with pytest.raises(DownloadError, match=f"{NAME} could not be downloaded: .*{advice}.*give its path"):
        hub.fetch(NAME, PUBLISHED[NAME])
    with pytest.raises(DownloadError, match=f"{KERAS.file} of .* could not be downloaded: .*{advice}.*give its path"):
        hub.fetch("keras_resnet50.imagenet", KERAS)


def test_a_missing_file_is_a_clear_error(host: Host) -> None:
    with pytest.raises(DownloadError, match="no such file"):
        hub.fetch(NAME, PUBLISHED[NAME])


def test_no_server_is_a_clear_error(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with serving() as other:
        dead = other.url
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", dead + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "ENDPOINT", dead)
    monkeypatch.setattr(hub, "KERAS_URL", dead)
    for name, published in ((NAME, PUBLISHED[NAME]), ("keras_resnet50.imagenet", KERAS)):
        with pytest.raises(DownloadError, match=r"check the network.*give its path.*\(.*refused.*\)"):
            hub.fetch(name, published)


def test_offline_mode_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        hub.fetch(NAME, PUBLISHED[NAME])
    assert not host.requests


def test_a_broken_connection_leaves_nothing_that_looks_whole(host: Host, tmp_path: Path) -> None:
    host.files[ON_HUB] = host.files[f"/{KERAS.file}"] = CONTENT
    host.cut = 1000
    with pytest.raises(DownloadError, match="check the network"):
        hub.fetch(NAME, PUBLISHED[NAME])
    with pytest.raises(DownloadError, match=r"could not be downloaded|cut short"):
        hub.fetch("keras_resnet50.imagenet", KERAS)
    assert keras_folder(tmp_path) == []
    host.cut = 0
    assert hub.fetch(NAME, PUBLISHED[NAME]).read_bytes() == CONTENT
    assert hub.fetch("keras_resnet50.imagenet", KERAS).read_bytes() == CONTENT


def test_a_server_that_speaks_no_http_is_a_clear_error(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(hub, "KERAS_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-server\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(DownloadError, match=r"check the network.*SSH-2\.0-server"):
            hub.fetch("keras_resnet50.imagenet", KERAS)
        thread.join()


def test_keras_files_are_kept_where_keras_looks(host: Host, tmp_path: Path) -> None:
    host.files[f"/{KERAS.file}"] = CONTENT
    for _ in range(2):
        path = hub.fetch("keras_resnet50.imagenet", KERAS)
        assert path == tmp_path / "keras" / "models" / KERAS.file
        assert path.read_bytes() == CONTENT
    assert host.requests == [("GET", f"/{KERAS.file}")]


def test_content_of_another_hash_is_not_kept(host: Host, tmp_path: Path) -> None:
    host.files[f"/{KERAS.file}"] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=f"not the published file.*Expected MD5 {KERAS.md5}"):
        hub.fetch("keras_resnet50.imagenet", KERAS)
    assert keras_folder(tmp_path) == []


def test_a_damaged_cached_file_is_fetched_again(host: Host) -> None:
    host.files[f"/{KERAS.file}"] = CONTENT
    path = hub.fetch("keras_resnet50.imagenet", KERAS)
    path.write_bytes(b"half")
    assert hub.fetch("keras_resnet50.imagenet", KERAS).read_bytes() == CONTENT


def test_the_environment_chooses_hub_and_cache(tmp_path: Path) -> None:
    """As a user sets them: before Python starts."""
    code = f"from kres.weights import PUBLISHED, hub; hub.fetch({NAME!r}, PUBLISHED[{NAME!r}])"
    with serving() as server:
        server.files[ON_HUB] = CONTENT
        environment = os.environ | {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
    (cached,) = (tmp_path / "hub" / f"models--timm--{NAME}").glob("snapshots/*/model.safetensors")
    assert cached.read_bytes() == CONTENT
