"""What the wheel and the sdist hold, and that each installs and works."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import skip_or_fail

ROOT = Path(__file__).parents[1]
STAGES = ("training", "export")
FOLDERS = ("tests", "benchmarks", "deploy", "notebooks", "docs")
# What a checkout gathers in daily use, and what must not travel.
JUNK = (
    "kres/__pycache__/model.cpython-311.pyc",
    "training/__pycache__/loop.cpython-311.pyc",
    "training/runs/digits/run.json",
    "export/.ipynb_checkpoints/draft.py",
    "runs/demo/model.keras",
    ".venv/lib/site.py",
    "build/old.txt",
)


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A command in a folder, without this environment's Python settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    process = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=540
    )
    if check and process.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{process.stdout}\n{process.stderr}", pytrace=False)
    return process


def tracked() -> list[Path]:
    """The files of this checkout, and those not yet committed, relative to its root."""
    if not (ROOT / ".git").exists():
        skip_or_fail("what a package may hold is read from git, and this is no git checkout")
    listing = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout
    paths = [Path(name) for name in listing.split("\0") if name]
    return [path for path in paths if (ROOT / path).exists()]


def package_files(paths: Iterable[Path]) -> set[str]:
    """The names that the package's files have in a wheel: the stages under kres."""
    tops = ("kres", "kres_command.py")
    inside = {path.as_posix() for path in paths if path.parts[0] in tops and path.name not in STAGES}
    return inside | {f"kres/{path.as_posix()}" for path in paths if path.parts[0] in STAGES}


@dataclass(frozen=True)
class Built:
    checkout: Path
    sdist: Path
    wheel: Path
    wheel_from_sdist: Path


def build(source: Path, output: Path, *formats: str) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", output, *formats, source, cwd=output.parent)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The packages of a copy of this checkout that has been worked in."""
    folder = tmp_path_factory.mktemp("packaging")
    checkout = folder / "checkout"
    for path in tracked():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, checkout / path, follow_symlinks=False)
    for name in JUNK:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("junk")
    build(checkout, folder / "direct", "--wheel")
    build(checkout, folder / "dist")  # the sdist, and the wheel from it
    (wheel,) = (folder / "direct").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel_from_sdist,) = (folder / "dist").glob("*.whl")
    return Built(checkout, sdist, wheel, wheel_from_sdist)


def wheel_contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def sdist_contents(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        assert all(member.isfile() for member in archive), "an sdist with links does not unpack everywhere"
        return {member.name.split("/", 1)[1] for member in archive}


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    names = set(wheel_contents(built.wheel))
    code = {name for name in names if ".dist-info/" not in name}
    assert code == package_files(tracked())
    assert {"kres/training/__init__.py", "kres/export/__init__.py", "kres/training/data/digits.npz"} <= code
    metadata = {name.split(".dist-info/")[1] for name in names - code}
    assert metadata == {"METADATA", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def test_the_sdist_holds_what_builds_and_tests_need(built: Built) -> None:
    names = sdist_contents(built.sdist)
    others = {path.as_posix() for path in tracked() if path.parts[0] in FOLDERS}
    top = {name for name in names if "/" not in name}
    assert names - top == (package_files(tracked()) | others) - top
    assert top == {
        ".gitignore",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "PKG-INFO",
        "README.md",
        "constraints.txt",
        "hatch_build.py",
        "kres_command.py",
        "pyproject.toml",
    }


def test_the_wheel_from_the_sdist_is_the_same(built: Built) -> None:
    assert wheel_contents(built.wheel_from_sdist) == wheel_contents(built.wheel)


@pytest.mark.parametrize("stage", STAGES)
def test_a_checkout_without_links_is_refused(built: Built, tmp_path: Path, stage: str) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(built.checkout, checkout, symlinks=True)
    link = checkout / "kres" / stage
    target = link.readlink()
    link.unlink()
    link.write_text(str(target))  # what git writes on Windows
    process = run(sys.executable, "-m", "build", "--no-isolation", "--wheel", checkout, cwd=tmp_path, check=False)
    assert process.returncode != 0
    assert f"git config core.symlinks true && git checkout -- kres/{stage}" in process.stdout + process.stderr


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment_and_the_sdist_takes_its_place(built: Built, tmp_path: Path) -> None:
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    uv = (sys.executable, "-m", "uv")
    run(*uv, "venv", "--quiet", "--python", sys.executable, environment, cwd=empty)
    constraints = ROOT / "constraints.txt"
    python = environment / "bin" / "python"
    # uv links files from its cache, where pip would copy 2 GB each time.
    install = (*uv, "pip", "install", "--quiet", "--python", python, "--constraint", constraints)
    run(*install, built.wheel, cwd=empty)

    kres = environment / "bin" / "kres"
    assert run(kres, "--version", cwd=empty).stdout.split()[-1] == built.wheel.name.split("-")[1]
    # The digits travel in the package; the model has fresh weights, so the answers say nothing of the accuracy.
    options = ("--format", "float32", "--data", "digits", "--images", "64", "--output", "artifacts")
    run(kres, "export", "cifar_resnet20", *options, cwd=empty)
    (artifact,) = (empty / "artifacts").rglob("*.tflite")
    answer = run(python, "-c", INTERPRET, artifact, cwd=empty).stdout
    assert answer.split() == ["(1,", "10)", "True"]

    # Over what the wheel brought along. Built here with nothing but what the sdist asks for; the wheel from it is the
    # same, says the test above.
    run(*install, "--reinstall-package", "kres", built.sdist, cwd=empty)
    assert "cifar_resnet20" in run(kres, "list", cwd=empty).stdout
    shutil.rmtree(environment)


# In the installed environment: the file answers one image with probabilities.
INTERPRET = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
(images,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
image = np.random.default_rng(0).standard_normal(images["shape"]).astype(images["dtype"])
interpreter.set_tensor(images["index"], image)
interpreter.invoke()
answer = interpreter.get_tensor(scores["index"])
print(answer.shape, bool(np.isclose(answer.sum(), 1, atol=1e-5)))
"""
