"""What the documents tell a reader to type exists."""

import ast
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import kres
from tests.support import skip_or_fail

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/scaling.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELLS = ("sh", "bash", "console", "shell")


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(text(document)) if language in languages]


def commands(document: str) -> Iterator[list[str]]:
    """Each command of the shell blocks, and of `inline code` that starts like one, as words."""
    lines = [line for body in blocks(document, *SHELLS) for line in body.replace("\\\n", " ").splitlines()]
    prose = FENCE.sub("", text(document))
    lines += re.findall(r"`((?:kres|make|pip install) [^`]+)`", prose)
    for line in lines:
        words = shlex.split(line.strip().removeprefix("$ "), comments=True)
        while words and re.fullmatch(r"\w+=\S*", words[0]):  # VARIABLE=value before the command
            words.pop(0)
        if words:
            yield [word.removeprefix(".venv/bin/") for word in words]


def command_line() -> Any:
    from kres.cli.app import app

    return typer.main.get_command(app)


def faults(words: list[str]) -> list[str]:
    """What is not real in a command."""
    match words:
        case ["make", *targets]:
            known = set(re.findall(r"^(\w+):", text("Makefile"), re.MULTILINE))
            named = {word for word in targets if "=" not in word and not word.startswith("-") and word.islower()}
            return [f"make {target}: no such target" for target in sorted(named - known)]
        case ["pip", "install", *_]:
            project = tomllib.loads(text("pyproject.toml"))["project"]
            wanted = {extra for word in words for extra in re.findall(r"\[(.*?)\]", word)}
            extras = {extra.strip() for names in wanted for extra in names.split(",")}
            unknown = extras - set(project["optional-dependencies"])
            return [f"{' '.join(words)}: no such extra: {extra}" for extra in sorted(unknown)]
        case ["kres", "launch", *options] if "--" in options:
            place = options.index("--")
            return faults_of_kres(["launch", *options[:place]]) + faults_of_kres(options[place + 1 :])
        case ["kres", *arguments]:
            return faults_of_kres(arguments)
    return []


def faults_of_kres(arguments: list[str]) -> list[str]:
    group = command_line()
    if not arguments or arguments[0].startswith("-"):
        options = {option for parameter in group.params for option in parameter.opts} | {"--help"}
        return [f"kres: no such option: {word}" for word in arguments if word not in options]
    if arguments[0] not in group.commands:
        return [f"kres: no such command: {arguments[0]}"]
    command = group.commands[arguments[0]]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    words = [word.split("=")[0] for word in arguments[1:]]
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word not in options | {"--help"}]
    return [f"kres {arguments[0]}: no such option: {word}" for word in unknown]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_are_real(document: str) -> None:
    found = list(commands(document))
    assert found
    assert not [fault for words in found for fault in faults(words)]


@pytest.mark.parametrize(
    "line",
    [
        "kres trian cifar_resnet20",
        "kres export model.keras --fromat int8",
        "kres launch --workers 2 -- train --wokdir runs",
        "kres launch --worker 2 -- train --workdir runs",
        "make everything",
        "pip install 'kres[cuda]'",
    ],
)
def test_an_invented_command_is_found(line: str) -> None:
    assert len(faults(shlex.split(line))) == 1


def names_used(source: str) -> set[str]:
    """The dotted names under `kres` in a piece of Python."""
    dotted = {ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    return {name for name in dotted if re.fullmatch(r"kres(\.\w+)+", name)}


@pytest.mark.parametrize("document", ["README.md", "docs/scaling.md"])
def test_python_in_the_documents_uses_real_names(document: str) -> None:
    sources = blocks(document, "python")
    assert sources
    for source in sources:
        for name in names_used(source):
            value: Any = kres
            for attribute in name.split(".")[1:]:
                assert hasattr(value, attribute), f"{name} does not exist"
                value = getattr(value, attribute)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    prose = FENCE.sub("", text(document))
    targets = re.findall(r"\]\(([^)#\s]+)", prose) + re.findall(r'src="([^"]+)"', prose)
    local = [target for target in targets if not re.match(r"\w+:", target)]
    missing = [target for target in local if not (ROOT / document).parent.joinpath(target).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_exist(document: str) -> None:
    prose = FENCE.sub("", text(document))
    named = re.findall(r"`((?:kres|training|export|tests|benchmarks|notebooks|deploy)/[\w/.]*)`", prose)
    if not (ROOT / "training").exists():
        skip_or_fail("in an unpacked sdist the stages are under kres alone")
    assert not [name for name in named if not os.path.exists(ROOT / name)]


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    packages = {re.split(r"[\[<>=]", requirement)[0] for requirement in project["dependencies"]}
    extras = set(project["optional-dependencies"])
    table = text("CONTRIBUTING.md").split("## Dependencies and why")[1]
    assert packages == set(re.findall(r"^\| ([a-z][\w-]+) \|", table, re.MULTILINE))
    assert extras == set(re.findall(r"^\| \*extra\* `(\w+)` \|", table, re.MULTILINE))
