"""Which module may import which: arrows point one way, and what is imported is declared."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import skip_or_fail

ROOT = Path(__file__).parents[1]

# From the ground up. A module imports from the lines below its own, and from its own package; neighbours on one line
# do not see each other. A new top-level module must be given its place here.
ORDER: tuple[tuple[str, ...], ...] = (
    ("choices",),
    ("specs", "kernels", "costs", "datasets", "hardware", "imagefiles", "resampling", "scopes", "tracing", "writing"),
    ("caching", "preprocessing", "decoding", "zoo", "stages", "convolution", "initialization", "normalization"),
    ("layers", "arguments", "quantized_layers"),
    ("attention", "integer_graph"),
    ("blocks",),
    ("stems",),
    ("backbone", "lookup", "trainer"),
    ("model",),
    ("weights", "pyramid", "folding", "finetuning", "profiling"),
    ("lowering",),
    ("quantization",),
    ("constructors", "version"),
    ("__init__",),  # the public names; what it loads on first use is not an import
    ("training", "export"),
    ("cli",),
    ("__main__",),
)
# Upward, inside functions: `build(..., weights=...)` is one call for the user, and loading needs a built network.
UPWARD = {"model": {"kres.weights.find_weights", "kres.weights.load_weights"}}
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}


def modules() -> list[tuple[str, Path]]:
    """Dotted name (without the leading `kres.`) and file of every module, those behind the links too."""
    found = []
    for folder, _, files in os.walk(ROOT / "kres", followlinks=True):
        paths = [Path(folder, file) for file in files if file.endswith(".py")]
        found += [(".".join(path.relative_to(ROOT / "kres").with_suffix("").parts), path) for path in paths]
    return sorted(found)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a file imports, inside functions too, or reaches as `kres.<name>`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kres":
            yield node.lineno, f"kres.{node.attr}"


def part(name: str) -> str:
    """The part of kres that an imported dotted name belongs to: `kres.zoo.resnet.ROWS` -> `zoo`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in RANK else "__init__"


def arrows_that_point_up(name: str, path: Path) -> list[str]:
    own = name.split(".")[0]
    wrong = []
    for line, imported in imports(path):
        if imported.split(".")[0] != "kres" or imported in UPWARD.get(own, ()):
            continue
        target = part(imported)
        if own not in ("__init__", target) and RANK[target] >= RANK[own]:
            wrong.append(f"{name}, line {line}: {own} may not import {imported}")
    return wrong


def neighbours(stage: str, sources: Iterable[tuple[str, Path]]) -> dict[str, set[str]]:
    """What each folder or file of a stage, `__init__` among them, imports of the others beside it.

    What is no name of a folder or file there comes from the stage's own `__init__`, which imports them all.
    """
    found: dict[str, set[str]] = {}
    names = [(name.split("."), path) for name, path in sources if name.startswith(f"{stage}.")]
    beside = {parts[1] for parts, _ in names}
    for parts, path in names:
        for _, imported in imports(path):
            if f"{imported}.".startswith(f"kres.{stage}."):
                name = [*imported.split("."), "__init__"][2]
                found.setdefault(parts[1], set()).add(name if name in beside else "__init__")
    return {name: used - {name} for name, used in found.items()}


@pytest.mark.parametrize("stage", ["training", "export"])
def test_the_folders_of_a_stage_import_in_no_circle(stage: str) -> None:
    order = list(TopologicalSorter(neighbours(stage, modules())).static_order())
    assert len(order) > 10 and order[-1] == "__init__"


@pytest.mark.parametrize(
    "statement",
    [
        "from kres.training.loop import run",
        "def f():\n    import kres.training.loop.run",
        "from kres.training import loop",
        "from kres.training import fit",
        "import kres.training",
        "import kres\nkres.training",
    ],
)
def test_a_circle_is_found(statement: str, tmp_path: Path) -> None:
    """Of `step`, whose statement is tried, and `loop`; the names that the stage itself offers come from `loop` too."""
    texts = {"training.__init__": "from kres.training.loop import fit", "training.step.sums": statement}
    texts |= {"training.loop": "from kres.training.step.sums import add"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    sources = [(name, tmp_path / name) for name in texts]
    with pytest.raises(CycleError):
        TopologicalSorter(neighbours("training", sources)).prepare()


def test_every_part_has_its_place() -> None:
    parts = {name.split(".")[0] for name, _ in modules()}
    assert {"specs", "training", "export", "cli"} <= parts
    assert parts <= set(RANK), f"not in ORDER: {sorted(parts - set(RANK))}"


def test_arrows_point_one_way() -> None:
    wrong = [line for name, path in modules() for line in arrows_that_point_up(name, path)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("training.loop", "from kres.export import tflite"),
        ("export.tflite", "def f():\n    import kres.training.data"),
        ("specs", "from kres import zoo"),
        ("layers", "import kres"),
        ("export.verification", "import kres\nkres.training.evaluate"),
        ("training.loop", "from kres.cli import app"),
        ("model", "from kres.weights import hub"),
    ],
)
def test_a_wrong_arrow_is_found(name: str, statement: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(statement)
    assert len(arrows_that_point_up(name, path)) == 1


def declared() -> set[str]:
    """Names of the distributions in pyproject.toml: what kres needs, and the extras that it uses."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    used = ("torch", "hub", "plots", "quantizer", "onnx")
    requirements = project["dependencies"] + [requirement for name in used for requirement in extras[name]]
    return {canonical(re.split(r"[\s\[<>=!~;]", requirement)[0]) for requirement in requirements}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_declared() -> None:
    distributions = {"torch": ["torch"], "keras_hub": ["keras-hub"], **packages_distributions()}
    missing = []
    for name, path in modules():
        for line, imported in imports(path):
            top = imported.split(".")[0]
            if top in ("kres", "kres_command") or top in sys.stdlib_module_names:
                continue
            providers = {canonical(provider) for provider in distributions.get(top, [top])}
            if not providers & declared():
                missing.append(f"{name}, line {line}: {imported}, which pyproject.toml does not declare")
    assert not missing, "\n".join(missing)


def loaded_by(statement: str, *, backend: str) -> set[str]:
    """The modules that a new interpreter holds after a statement."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stdout.splitlines()[-1]))


# On the JAX backend, Keras alone loads no TensorFlow.
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_importing_kres_loads_no_framework_that_keras_does_not(backend: str) -> None:
    if backend == "jax" and find_spec("jax") is None:
        skip_or_fail("JAX is not installed")
    keras_alone = {name.split(".")[0] for name in loaded_by("import keras", backend=backend)}
    kres = loaded_by("import kres", backend=backend)
    heavy = {"tensorflow", "torch", "jax", "tensorflow_datasets", "ai_edge_litert", "sklearn"}
    added = ({name.split(".")[0] for name in kres} & heavy) - keras_alone
    assert not added
    assert not {name for name in kres if name.startswith(("kres.training", "kres.export", "kres.cli"))}


def test_the_stages_load_on_first_use() -> None:
    loaded = loaded_by("import kres\nkres.training\nkres.export", backend="tensorflow")
    assert {"kres.training", "kres.export"} <= loaded
    assert not {"training", "export"} & loaded


@pytest.mark.parametrize("stage", ["training", "export"])
def test_a_stage_refuses_its_bare_name(stage: str) -> None:
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'kres')!r}); import {stage}"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode != 0
    assert f"imported as kres.{stage}" in process.stderr
