"""`kres runs`: the table, the order, JSON, the picture, and what it says of nothing and of damage."""

import json
import logging
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from kres.cli.app import app
from kres.training import recipe
from kres.training.workdir import FAILED, INTERRUPTED, RUNNING, STATES
from tests.support import TERMINAL, skip_or_fail
from tests.training.test_runs import make_run


def runs(*arguments: object, colours: bool = False) -> Any:
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "NO_COLOR": None} if colours else {"FORCE_COLOR": None}
    return CliRunner(env={"COLUMNS": "200", **terminal}).invoke(app, ["runs", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_run(tmp_path / "runs" / "plain", tests={10: 0.8, 20: 0.75}, speed=50.0)
    make_run(tmp_path / "runs" / "lamb", tests={10: 0.9}, state=INTERRUPTED, step=10, optimizer={"kind": "lamb"})
    make_run(tmp_path / "runs" / "new", state=RUNNING, step=0, total=60000)
    return tmp_path / "runs"


def names(result: Any) -> list[str]:
    assert result.exit_code == 0, result.exception
    return [run["name"] for run in json.loads(result.stdout)]


def test_the_tables(folder: Path) -> None:
    rows = [line.split() for line in runs(folder).stdout.splitlines()]
    assert [row for row in rows if row and row[0] in ("lamb", "new", "plain")] == [
        ["lamb", "interrupted", "10/20", "90.00", "90.00", "0.1000", "0:00:05", "100"],
        ["new", "running", "0/60000", *"-----"],
        ["plain", "finished", "20/20", "80.00", "75.00", "0.0500", "0:00:11", "50"],
        ["lamb", "digits", "optimizer.kind", "lamb"],
        ["new", "digits", "optimizer.kind", "sgd"],
        ["plain", "digits", "optimizer.kind", "sgd"],
    ]


def test_states_have_colours(tmp_path: Path) -> None:
    for state in STATES:
        make_run(tmp_path / state, state=state)
    shown = runs(tmp_path, colours=True).stdout
    for state, code in zip(STATES, (36, 33, 31, 32), strict=True):  # cyan, yellow, red, green
        assert f"\x1b[{code}m{state}" in shown


def test_json_has_what_differs(folder: Path) -> None:
    lamb, new, plain = json.loads(runs(folder, "--json").stdout)
    assert (plain["best"], plain["last"], plain["seconds"], plain["images_per_second"]) == (0.8, 0.75, 11.0, 50.0)
    assert lamb["differs"] == {"optimizer.kind": "lamb"} and plain["differs"] == {"optimizer.kind": "sgd"}
    assert (new["steps"], new["best"], new["workdir"]) == (60000, None, str(folder / "new"))


def test_one_run_differs_from_nothing(folder: Path) -> None:
    shown = runs(folder / "plain").stdout
    assert "plain" in shown and "optimizer" not in shown


def test_the_order(folder: Path) -> None:
    assert names(runs(folder, "--json", "--sort", "best")) == ["lamb", "plain", "new"]
    assert names(runs(folder, "--json", "--sort", "loss")) == ["plain", "lamb", "new"]
    assert names(runs(folder, "--json", "--sort", "images_per_second")) == ["lamb", "plain", "new"]
    assert names(runs(folder, "--json", "--sort", "state")) == ["plain", "lamb", "new"]


def test_many_differences_are_cut_short(tmp_path: Path) -> None:
    for number in (0, 1):
        fields: dict[str, Any] = {f"field_{index}": index + number for index in range(20)}
        make_run(tmp_path / f"r{number}", **fields)
    shown = runs(tmp_path).stdout
    assert "field_7 7" in shown and "field_8" not in shown and "and 12 more (--json)" in shown


def test_runs_of_several_recipes_show_what_was_changed_in_each_in_80_columns(tmp_path: Path) -> None:
    long = recipe("cifar_resnet20").to_dict()
    short = recipe("digits_resnet20").with_length(30).to_dict() | {"batch_size": 16}
    for name, fields, seed in (("of/length-of-20-letters", short, 0), ("b", long, 0), ("c", short, 7)):
        # `name` is make_run's `recipe`
        make_run(tmp_path / name, recipe=fields["name"], seed=seed, **{k: v for k, v in fields.items() if k != "name"})
    result = CliRunner(env=TERMINAL).invoke(app, ["runs", str(tmp_path)])
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("b ") and line.split()[1:3] == ["finished", "20/20"] for line in lines)
    table = [" ".join(line.split()) for line in lines if line.strip()][-7:]
    # The changes run on over lines, where the other columns are empty; warm-up and decays follow from the length.
    assert " ".join(table) == (
        "cifar_resnet20 b digits as published "
        "digits_resnet20 c digits schedule.length 1000 -> 30, batch_size 64 -> 16, seed 7 "
        "of/length-of-20-letters digits schedule.length 1000 -> 30, batch_size 64 -> 16, seed 0"
    )


def test_a_loss_that_is_not_finite_is_valid_json(tmp_path: Path) -> None:
    workdir = make_run(tmp_path / "a", state=FAILED)
    text = (workdir / "log.csv").read_text()
    (workdir / "log.csv").write_text(text.replace("0.05,", "nan,"))

    def refuse(word: str) -> None:
        raise AssertionError(word)

    (run,) = json.loads(runs(tmp_path, "--json").stdout, parse_constant=refuse)
    assert run["loss"] is None
    assert "nan" in runs(tmp_path).stdout


def test_brackets_in_names_are_no_markup(tmp_path: Path) -> None:
    make_run(tmp_path / "[red]run")
    assert "[red]run" in runs(tmp_path).stdout


def test_a_damaged_run_is_named_and_skipped(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "plain" / "run.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert names(runs(folder, "--json")) == ["lamb", "new"]
    assert f"{folder / 'plain'} is skipped: " in caplog.text and "run.json is not readable" in caplog.text


@pytest.mark.parametrize("against", ["step", "epoch", "seconds"])
def test_the_picture(folder: Path, tmp_path: Path, against: str, caplog: pytest.LogCaptureFixture) -> None:
    if find_spec("matplotlib") is None:
        skip_or_fail("matplotlib is not installed")
    plot = tmp_path / "plot.svg"
    with caplog.at_level(logging.WARNING):
        result = runs(folder, "--plot", plot, "--against", against)
    assert result.exit_code == 0, result.exception
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    assert "not in the plot, for want of a readout: new" in caplog.text


def test_the_picture_as_png(folder: Path, tmp_path: Path) -> None:
    if find_spec("matplotlib") is None:
        skip_or_fail("matplotlib is not installed")
    assert runs(folder, "--plot", tmp_path / "p.png").exit_code == 0
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size[0] > 1000


def test_a_run_that_is_not_in_the_picture_has_no_entry_in_its_legend(folder: Path, monkeypatch: Any) -> None:
    if find_spec("matplotlib") is None:
        skip_or_fail("matplotlib is not installed")
    from matplotlib.figure import Figure

    entries: list[list[str]] = []
    monkeypatch.setattr(Figure, "legend", lambda self, lines, names, **where: entries.append(names))
    assert runs(folder, "--plot", folder / "p.svg").exit_code == 0
    assert entries == [["lamb", "plain"]]


def test_curves_are_the_logs(folder: Path) -> None:
    from kres.cli.curves import _curve
    from kres.training.runs import find_runs

    found = {run.name: run for run in find_runs(folder)[0]}
    assert _curve(found["plain"], "epoch", "test_accuracy") == [(1.0, 80.0), (2.0, 75.0)]
    assert _curve(found["plain"], "seconds", "loss") == [(5.0, 0.1), (10.0, 0.05)]
    assert _curve(found["lamb"], "step", "test_accuracy") == [(10, 90.0)] and not _curve(found["new"], "step", "loss")


def test_without_matplotlib_the_error_names_the_extra(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = runs(folder, "--plot", tmp_path / "p.png")
    assert isinstance(result.exception, ModuleNotFoundError) and "kres[plots]" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sort", "beauty"), "sort must be one of name, recipe"),
        (("--plot", "p.pdf"), ".png or .svg"),
        (("--plot", "no/such/folder/p.png"), "no such folder"),
        (("--plot", "p.png", "--against", "moon"), "step, epoch or seconds"),
    ],
)
def test_bad_arguments(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    result = runs(folder, *arguments)
    assert isinstance(result.exception, (ValueError, OSError)) and words in str(result.exception)


def test_nothing_there(tmp_path: Path) -> None:
    result = runs(tmp_path)
    assert isinstance(result.exception, ValueError)
    assert str(result.exception) == f"there is no run (run.json) in {tmp_path}, nor 3 folders down"
    assert isinstance(runs(tmp_path / "none").exception, FileNotFoundError)
    (tmp_path / "run.json").write_text("{")
    assert "no readable run" in str(runs(tmp_path).exception)
