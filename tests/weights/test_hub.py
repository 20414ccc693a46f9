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
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest

from kres.weights import PUBLISHED, DownloadError, Published, hub
from kres.weights.names import KERASHUB
from tests.support import skip_or_fail
from tests.weights.hub_server import Fault, Host, serving

NAME = "resnet18.a1_in1k"
ON_HUB = f"/timm/{NAME}/resolve/main/model.safetensors"
CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KERAS = replace(PUBLISHED["keras_resnet50.imagenet"], md5=hashlib.md5(CONTENT).hexdigest())
TORCHVISION = replace(KERAS, origin="torchvision", file=f"resnet50-{SHA256[:8]}.pth", md5=None, sha256=SHA256[:8])
BIT = replace(KERAS, origin="bit", file="BiT-M-R50x1.npz", md5=None, size_bytes=len(CONTENT))
SITES = [pytest.param(row, id=row.origin) for row in (KERAS, TORCHVISION, BIT)]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    from huggingface_hub import constants

    with serving() as server:
        # Read from HF_ENDPOINT and HF_HOME when huggingface_hub is imported, which another test may have done.
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # huggingface_hub waits 23 s in all between its tries
        move_all(server.url, monkeypatch)
        yield server


def move_all(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `url` the address of every publisher."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    for origin, site in hub.SITES.items():
        monkeypatch.setitem(hub.SITES, origin, replace(site, url=url))


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


def test_kerashub_presets_come_from_its_repositories_with_their_heads(host: Host) -> None:
    files = {"model.weights.h5": CONTENT, "task.weights.h5": CONTENT[:1000]}
    for name, content in files.items():
        host.files[f"/keras/resnet_50_imagenet/resolve/main/{name}"] = content
    name = "resnet50.resnet_50_imagenet"
    path = hub.fetch(name, PUBLISHED[name])
    assert {name: path.with_name(name).read_bytes() for name in files} == files


def test_the_catalogue_and_the_names_agree_on_where_kerashub_keeps_heads() -> None:
    assert {row.head_file for row in PUBLISHED.values() if row.origin == "kerashub"} == {KERASHUB.head_file}


@pytest.mark.parametrize("sha256", [None, SHA256[:8], SHA256], ids=["the hub's hash", "prefix", "the catalogue's hash"])
def test_a_damaged_hub_cache_is_fetched_again(sha256: str | None, host: Host) -> None:
    row = replace(PUBLISHED[NAME], sha256=sha256)
    host.files[ON_HUB] = CONTENT
    hub.fetch(NAME, row).write_bytes(CONTENT[:-1] + b"!")
    assert hub.fetch(NAME, row).read_bytes() == CONTENT


def test_a_bit_that_the_network_flips_is_seen(host: Host) -> None:
    """huggingface_hub itself checks the size alone."""
    host.files[ON_HUB] = CONTENT
    host.faults = [Fault(flips=True)]
    assert hub.fetch(NAME, PUBLISHED[NAME]).read_bytes() == CONTENT
    assert host.asked == ["", ""]


def test_a_hub_file_that_is_not_the_catalogues_is_refused(host: Host) -> None:
    host.files[ON_HUB] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=f"not the published file.*update kres.*Expected SHA256 {SHA256}"):
        hub.fetch(NAME, replace(PUBLISHED[NAME], sha256=SHA256))


@pytest.mark.parametrize("waits", [False, True], ids=["breaks off", "stalls"])
def test_a_hub_download_goes_on_where_it_ended(waits: bool, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)  # 10 MB by default, whole ones count
    host.files[ON_HUB] = CONTENT
    host.faults = [Fault(keep=1000, waits=waits)]
    assert hub.fetch(NAME, PUBLISHED[NAME]).read_bytes() == CONTENT
    assert host.asked == ["", "bytes=1000-"]


@pytest.mark.parametrize(
    ("status", "advice", "of_hub"),
    [
        (404, "no such file", "no such file"),
        (401, "not for everyone", "asks for a token"),
        (429, "too many requests: wait", "too many requests: wait"),
        (500, "try again later", "try again later"),
    ],
)
def test_http_errors_say_what_to_do(status: int, advice: str, of_hub: str, host: Host) -> None:
    host.status = status
    with pytest.raises(DownloadError, match=f"{NAME} could not be downloaded: .*{of_hub}.*give its path"):
        hub.fetch(NAME, PUBLISHED[NAME])
    with pytest.raises(DownloadError, match=f"{KERAS.file} of .* could not be downloaded: .*{advice}.*give its path"):
        hub.fetch("keras_resnet50.imagenet", KERAS)


def test_a_missing_file_is_a_clear_error(host: Host) -> None:
    for row in (PUBLISHED[NAME], KERAS):
        with pytest.raises(DownloadError, match="no such file"):
            hub.fetch(NAME, row)


def test_no_server_is_a_clear_error(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as other:
        dead = other.url
    move_all(dead, monkeypatch)
    for row in (PUBLISHED[NAME], KERAS):
        with pytest.raises(DownloadError, match=r"check the network.*give its path.*\(.*refused.*\)"):
            hub.fetch(NAME, row)


def test_offline_mode_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    host.files[f"/{KERAS.file}"] = CONTENT
    hub.fetch("keras_resnet50.imagenet", KERAS)
    host.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for row in (PUBLISHED[NAME], TORCHVISION, BIT):
        with pytest.raises(DownloadError, match=r"HF_HUB_OFFLINE.*give its path"):
            hub.fetch(NAME, row)
    assert hub.fetch("keras_resnet50.imagenet", KERAS).read_bytes() == CONTENT
    assert not host.requests


def test_a_broken_connection_leaves_nothing_that_looks_whole(host: Host, tmp_path: Path) -> None:
    host.files[ON_HUB] = host.files[f"/{KERAS.file}"] = CONTENT
    host.cut = 1000
    for row in (PUBLISHED[NAME], KERAS):
        with pytest.raises(DownloadError, match="check the network"):
            hub.fetch(NAME, row)
    assert not (tmp_path / "keras" / "models" / KERAS.file).exists()
    host.cut = 0
    for row in (PUBLISHED[NAME], KERAS):
        assert hub.fetch(NAME, row).read_bytes() == CONTENT


def test_a_server_that_speaks_no_http_is_a_clear_error(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        move_all(f"http://127.0.0.1:{listener.getsockname()[1]}", monkeypatch)

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


@pytest.mark.parametrize(
    ("row", "folder"),
    [(KERAS, "keras/models"), (TORCHVISION, "torch/hub/checkpoints"), (BIT, "user/kres/bit")],
    ids=["keras", "torchvision", "bit"],
)
def test_a_file_is_kept_where_its_own_library_looks(row: Published, folder: str, host: Host, tmp_path: Path) -> None:
    host.files[f"/{row.file}"] = CONTENT
    for _ in range(2):
        path = hub.fetch("a row", row)
        assert path == tmp_path / folder / row.file
        assert path.read_bytes() == CONTENT
    assert host.requests == [("GET", f"/{row.file}")]


def test_keras_finds_what_kres_fetched(host: Host, tmp_path: Path) -> None:
    host.files[f"/{KERAS.file}"] = CONTENT
    ours = hub.fetch("keras_resnet50.imagenet", KERAS)
    theirs = keras.utils.get_file(
        KERAS.file, f"{host.url}/{KERAS.file}", cache_subdir="models", cache_dir=tmp_path / "keras", file_hash=KERAS.md5
    )
    assert Path(theirs) == ours
    assert len(host.requests) == 1


def test_torch_finds_what_kres_fetched(host: Host) -> None:
    if find_spec("torch") is None:
        skip_or_fail("PyTorch is not installed")
    import torch

    host.files[f"/{TORCHVISION.file}"] = CONTENT
    assert hub.fetch("a row", TORCHVISION).parent == Path(torch.hub.get_dir()) / "checkpoints"


@pytest.mark.parametrize("row", SITES)
def test_a_damaged_cached_file_is_fetched_again(row: Published, host: Host) -> None:
    host.files[f"/{row.file}"] = CONTENT
    hub.fetch("a row", row).write_bytes(b"half")
    assert hub.fetch("a row", row).read_bytes() == CONTENT


def test_content_of_another_hash_is_refused(host: Host, tmp_path: Path) -> None:
    host.files[f"/{KERAS.file}"] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=f"not the published file.*Expected MD5 {KERAS.md5}"):
        hub.fetch("keras_resnet50.imagenet", KERAS)
    assert not (tmp_path / "keras" / "models" / KERAS.file).exists()


def test_a_cache_that_cannot_be_written_is_named(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match=f"a folder that you may write to.*{tmp_path / 'file'}"):
        hub.fetch("keras_resnet50.imagenet", KERAS)


def test_a_full_disk_is_told(host: Host, tmp_path: Path) -> None:
    """In a process that may write no larger files."""
    code = f"""
import resource
from dataclasses import replace
from importlib.util import find_spec
from kres.weights import DownloadError, PUBLISHED, hub
hub.SITES["keras"] = replace(hub.SITES["keras"], url={host.url!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for row in (PUBLISHED[{NAME!r}], PUBLISHED["keras_resnet50.imagenet"]):
    try:
        hub.fetch({NAME!r}, replace(row, md5=None))
    except DownloadError as error:
        print(error)
"""
    host.files[ON_HUB] = host.files[f"/{KERAS.file}"] = CONTENT
    environment = os.environ | {"HF_ENDPOINT": host.url, "HF_HOME": str(tmp_path / "hub"), "KERAS_BACKEND": "numpy"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.count("make room on the disk") == 2, done.stdout + done.stderr


def test_the_environment_chooses_hub_and_cache_and_processes_share_it(tmp_path: Path) -> None:
    """As a user sets them: before Python starts."""
    code = f"from kres.weights import PUBLISHED, hub; hub.fetch({NAME!r}, PUBLISHED[{NAME!r}])"
    with serving() as server:
        server.files[ON_HUB] = CONTENT
        environment = os.environ | {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
        environment["KERAS_BACKEND"] = "numpy"  # starts in half the time
        both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
        assert [process.wait(120) for process in both] == [0, 0]
        assert server.requests.count(("GET", ON_HUB)) == 1
    (cached,) = (tmp_path / "hub" / f"models--timm--{NAME}").glob("snapshots/*/model.safetensors")
    assert cached.read_bytes() == CONTENT
