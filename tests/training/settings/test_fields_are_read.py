"""A field of a recipe that no code reads would promise what does not happen."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from kres.training.settings import parts
from kres.training.settings.recipe import Recipe

STAGES = Path(parts.__file__).parents[2]
# What only declares, checks, changes and lists fields; a network's specification is made in `settings` all the same.
DECLARES = ("settings", "recipes")
MAKES = STAGES / "settings" / "networks.py"
PARTS = (
    parts.Network,
    parts.Images,
    parts.Augmentation,
    parts.Optimizer,
    parts.Schedule,
    parts.Loss,
    parts.Averaging,
    parts.Watch,
    parts.Quantization,
)
# What a value of each part is called where it is used; a field counts as read where it follows such a name.
CALLED = {
    "Network": {"network", "teacher"},
    "Images": {"images"},
    "Augmentation": {"augmentation"},
    "Optimizer": {"optimizer", "fields"},
    "Schedule": {"schedule"},
    "Loss": {"loss"},
    "Averaging": {"averaging"},
    "Watch": {"watch"},
    "Quantization": {"quantization"},
    "Recipe": {"recipe", "chosen"},
}


def sources() -> Iterator[Path]:
    yield MAKES
    for path in STAGES.rglob("*.py"):
        if path.relative_to(STAGES).parts[0] not in DECLARES:
            yield path


def reads(source: str) -> set[tuple[str, str]]:
    """(name, field) of each `name.field` and `....name.field` that is read in a piece of Python.

    What a function is given under such a name counts where its type is a part's: RateSchedule's `schedule.power` is not
    Schedule's.
    """
    return set(_reads(ast.parse(source), others=frozenset()))


def _reads(node: ast.AST, *, others: frozenset[str]) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef):
        others |= {given.arg for given in (*node.args.args, *node.args.kwonlyargs) if not _is_part(given.annotation)}
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        owner = node.value
        if isinstance(owner, ast.Attribute) or (isinstance(owner, ast.Name) and owner.id not in others):
            yield owner.attr if isinstance(owner, ast.Attribute) else owner.id, node.attr
    for child in ast.iter_child_nodes(node):
        yield from _reads(child, others=others)


def _is_part(annotation: ast.expr | None) -> bool:
    written = "" if annotation is None else ast.unparse(annotation)
    return bool(set(re.findall(r"\w+", written)) & set(CALLED))


@pytest.fixture(scope="module")
def everything_read() -> set[tuple[str, str]]:
    return set().union(*(reads(path.read_text(encoding="utf-8")) for path in sources()))


@pytest.mark.parametrize(
    ("part", "field"),
    [(part.__name__, field.name) for part in (*PARTS, Recipe) for field in fields(part) if field.name != "about"],
)
def test_code_reads_the_field(part, field, everything_read):
    assert any((name, field) in everything_read for name in CALLED[part]), f"nothing reads {part}.{field}"


def test_a_field_that_nothing_reads_is_found():
    code = "def f(schedule: parts.Schedule):\n    recipe.schedule.power + schedule.length\n    schedule.warmup = 1\n"
    assert reads(code) - {("parts", "Schedule")} == {
        ("recipe", "schedule"),
        ("schedule", "power"),
        ("schedule", "length"),
    }
    assert reads("def f(schedule: RateSchedule):\n    schedule.power") == set()


def test_about_is_shown_to_people():
    """It changes no run: the card of a run and `kres list --recipes` tell it."""
    card = (STAGES / "cards.py").read_text(encoding="utf-8")
    command = (STAGES.parent / "cli" / "catalogue.py").read_text(encoding="utf-8")
    on_card = set(re.findall(r'\babout\.get\("(\w+)"', card))
    listed = {field for name, field in reads(command) if name == "about"}
    assert on_card | listed == {field.name for field in fields(parts.About)}
