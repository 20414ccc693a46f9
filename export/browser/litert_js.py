"""LiteRT.js, which runs TFLite files in a browser: fetched once by npm, checked against pinned hashes, and kept."""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from kres.caching import user_cache
from kres.writing import folder_atomically

PINNED = Path(__file__).with_name("litert_js.json")
PATIENCE_SECONDS = 600
MOST_LINES = 3


@cache
def pinned() -> dict[str, Any]:
    """Version of LiteRT.js, and of each npm package its integrity and the files that a page needs."""
    return json.loads(PINNED.read_text(encoding="utf-8"))


def needed_files() -> list[str]:
    """The files that a page needs, relative to a `node_modules` folder."""
    return [f"{name}/{file}" for name, package in pinned()["packages"].items() for file in package["files"]]


def fetch() -> Path:
    """A folder with LiteRT.js, laid out as npm's `node_modules`: of the user's cache, `kres/litert_js`, else by npm.

    Raises FileNotFoundError where npm is not installed, ConnectionError where it finds no package, ValueError for one
    of another hash than the pinned.
    """
    folder = user_cache() / "kres" / "litert_js" / pinned()["version"]
    if _missing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if _missing(folder):
                with folder_atomically(folder) as new:
                    _download(new)
    return check(folder)


def check(folder: Path) -> Path:
    """Give a `node_modules` folder back where it holds LiteRT.js of the pinned version, or raise a ValueError."""
    version = pinned()["version"]
    if missing := _missing(folder):
        raise ValueError(
            f"LiteRT.js is a folder with what `npm install @litertjs/core@{version}` puts into node_modules. "
            f"Received: {folder} without {missing[0]}"
        )
    for name in pinned()["packages"]:
        found = json.loads((folder / name / "package.json").read_text(encoding="utf-8")).get("version")
        if found != version:
            raise ValueError(f"the page is written for LiteRT.js {version}. Received: {name} {found} in {folder}")
    return folder


def _missing(folder: Path) -> list[str]:
    return [name for name in needed_files() if not (folder / name).is_file()]


def _download(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError(
            "LiteRT.js comes from npm, which is not installed: install Node.js, or name a node_modules folder that has "
            f"@litertjs/core {pinned()['version']}"
        )
    packages = pinned()["packages"]
    wanted = [f"{name}@{pinned()['version']}" for name in packages]
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", *wanted, "--pack-destination", scratch, "--ignore-scripts", "--fetch-retries=1"]
        try:
            done = subprocess.run(
                command, cwd=scratch, check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise ConnectionError(f"npm has not brought {' '.join(wanted)} in {PATIENCE_SECONDS} s") from error
        if done.returncode:
            raise ConnectionError(f"npm cannot bring {' '.join(wanted)}: {_reason(done.stderr)}")
        archives = {_integrity(path): path for path in Path(scratch).glob("*.tgz")}
        for name, package in packages.items():
            if package["integrity"] not in archives:
                raise ValueError(
                    f"{name} must have the integrity {package['integrity']}. Received: {', '.join(archives) or 'none'}"
                )
            _unpack(archives[package["integrity"]], folder / name, package["files"])


def _reason(errors: str) -> str:
    lines = [line.removeprefix("npm error").strip() for line in errors.splitlines() if line.startswith("npm error")]
    return "; ".join((lines or errors.splitlines() or ["it does not say why"])[:MOST_LINES])


def _integrity(path: Path) -> str:
    """The hash of a file as npm writes it."""
    with path.open("rb") as file:
        return "sha512-" + base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()


def _unpack(archive: Path, folder: Path, names: list[str]) -> None:
    """Write the named files of an npm package alone, each under its name here: no path comes from the archive."""
    with tarfile.open(archive) as content:
        for name in names:
            source = content.extractfile(f"package/{name}")
            if source is None:
                raise ValueError(f"an npm package must hold {name} as a file. Received: {archive.name}")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
