"""LiteRT.js comes by npm once, with the pinned hash or not at all, and from the cache after that."""

import base64
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from kres.export.browser import litert_js

VERSION = "9.8.7"
NAMES = {"@litertjs/core": ["package.json", "dist/index.js"], "@litertjs/wasm-utils": ["package.json"]}
NPM = """#!/bin/sh
echo "$@" >> {log}
[ "$1" = pack ] || exit 3
while [ "$1" != --pack-destination ]; do shift; done
cp {folder}/*.tgz "$2"
"""


def archive(path: Path, name: str, **others: bytes) -> str:
    """An npm package with its files and `others`; gives its integrity."""
    content = dict.fromkeys(NAMES[name], b"{}")
    content["package.json"] = json.dumps({"name": name, "version": VERSION}).encode()
    with tarfile.open(path, "w:gz") as sink:
        for file, data in {**{f"package/{file}": data for file, data in content.items()}, **others}.items():
            member = tarfile.TarInfo(file)
            member.size = len(data)
            sink.addfile(member, io.BytesIO(data))
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Path:
    """A folder with two packages, an `npm` that packs them, an empty cache; gives npm's log."""
    folder, programs = tmp_path / "registry", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    packages = {
        name: {
            "integrity": archive(
                folder / f"{number}.tgz", name, **{"../../escaped.txt": b"!", "package/extra.js": b"!"}
            ),
            "files": files,
        }
        for number, (name, files) in enumerate(NAMES.items())
    }
    monkeypatch.setattr(litert_js, "pinned", lambda: {"version": VERSION, "packages": packages})
    log = tmp_path / "npm.log"
    npm(programs, NPM.format(log=log, folder=folder))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return log


def npm(folder: Path, script: str) -> None:
    (folder / "npm").write_text(script)
    (folder / "npm").chmod(0o755)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_npm_brings_it_once(registry, tmp_path, monkeypatch):
    folder = litert_js.fetch()
    assert files(folder) == set(litert_js.needed_files()) and not list(tmp_path.rglob("escaped.txt"))
    assert "@litertjs/core@9.8.7 @litertjs/wasm-utils@9.8.7" in registry.read_text()
    monkeypatch.setenv("PATH", "")
    assert litert_js.fetch() == folder and len(registry.read_text().splitlines()) == 1


def test_a_damaged_cache_is_brought_again(registry):
    folder = litert_js.fetch()
    (folder / "@litertjs/core/dist/index.js").unlink()
    assert files(litert_js.fetch()) == set(litert_js.needed_files())


def test_another_hash_is_refused_and_nothing_kept(registry, tmp_path):
    archive(tmp_path / "registry" / "0.tgz", "@litertjs/core", **{"package/evil.js": b"!"})
    with pytest.raises(ValueError, match=r"must have the integrity sha512-.* Received: sha512-"):
        litert_js.fetch()
    assert not [path for path in files(tmp_path / "cache") if not path.endswith(".lock")]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'npm error code ENOTFOUND' >&2; echo 'npm error network down' >&2; exit 1", "ENOTFOUND; network down"),
        ("exit 7", "does not say why"),
    ],
)
def test_an_npm_that_fails(script, words, registry, tmp_path):
    npm(tmp_path / "bin", f"#!/bin/sh\n{script}\n")
    with pytest.raises(ConnectionError, match=words):
        litert_js.fetch()


def test_no_npm(registry, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=r"install Node\.js, or name a node_modules folder"):
        litert_js.fetch()


def test_a_folder_of_ones_own(registry, tmp_path):
    own = tmp_path / "node_modules"
    with pytest.raises(ValueError, match=r"npm install @litertjs/core@9\.8\.7"):
        litert_js.check(own)
    litert_js.fetch().rename(own)
    assert litert_js.check(own) == own
    (own / "@litertjs/core/package.json").write_text('{"version": "9.9.0"}')
    with pytest.raises(ValueError, match=r"LiteRT.js 9.8.7. Received: @litertjs/core 9.9.0"):
        litert_js.check(own)


def test_the_pinned_package_is_what_the_page_loads():
    """Its files are those that LiteRT.js asks for by itself, with and without threads, and the import map's."""
    needed = litert_js.needed_files()
    page = (litert_js.PINNED.parent / "web" / "index.html").read_text()
    for name in litert_js.pinned()["packages"]:
        assert f'"{name}": "./litert/{name}/dist/index.js"' in page and f"{name}/dist/index.js" in needed
    kinds = ("internal", "compat_internal", "threaded_internal")
    for kind in kinds:
        assert {f"@litertjs/core/wasm/litert_wasm_{kind}.{suffix}" for suffix in ("js", "wasm")} <= set(needed)
