"""`kres degradation`: the table, the verdict, JSON, the picture, and what it refuses."""

import json
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from kres.cli.app import app
from kres.cli.panels import _draw_errors, write_panels
from kres.training import Degradation, Interrupted
from kres.training.degradation_problem import ROWS, Layers, Trained
from tests.support import skip_or_fail
from tests.training.test_degradation_problem import result

SMALL = ("--steps", 2, "--depths", "8,14", "--seeds", 1)


def run(*arguments: object) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["degradation", *map(str, arguments)])


@pytest.mark.slow
def test_two_steps_and_then_only_the_picture(tmp_path):
    """The second call finds the nets of the first, and tells the same."""
    workdir, plot = tmp_path / "nets", tmp_path / "plot.svg"
    shown = run(*SMALL, "--workdir", workdir)
    assert shown.exit_code == 0, shown.exception
    if find_spec("matplotlib") is None:
        skip_or_fail("matplotlib is not installed")
    before = {path: path.stat().st_mtime_ns for path in workdir.glob("*/model.keras")}
    found = json.loads(run(*SMALL, "--workdir", workdir, "--plot", plot, "--json").stdout)
    assert {path: path.stat().st_mtime_ns for path in workdir.glob("*/model.keras")} == before and len(before) == 4
    lines = shown.stdout.splitlines()
    for net in found["nets"]:
        row = next(line.split() for line in lines if line.split()[:2] == [net["kind"], str(net["depth"])])
        assert float(row[3]) == pytest.approx(net["final_loss"], abs=5e-5)
        assert net["steps"][-1] == 2 and net["final_error"] == pytest.approx(net["training_error"][-1])
    assert lines[-1] == found["verdict"] and "training loss of plain nets" in found["verdict"]
    assert [len(layers["responses"]) for layers in found["layers"]] == [7, 13, 7, 13]
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    assert sorted(tmp_path.iterdir()) == [workdir, plot]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--depths", "8"), "6n + 2"),
        (("--depths", "8,21"), "6n + 2"),
        (("--depths", "deep"), "--depths"),
        (("--seeds", "0"), "seeds"),
        (("--steps", "0"), "steps"),
        (("--data", "mnist"), "digits, cifar10"),
        (("--recipe", "degradation_digit"), "degradation_digits"),
        (("--plot", "plot.pdf"), ".png or .svg"),
        (("--plot", "no/such/plot.png"), "no such folder"),
    ],
)
def test_bad_arguments(arguments, words, tmp_path):
    result = run(*arguments, "--workdir", tmp_path / "nets")
    assert isinstance(result.exception, (ValueError, OSError)), result.output
    assert words in str(result.exception)
    assert not (tmp_path / "nets").exists()


def test_a_picture_of_runs_that_were_read_out_at_different_steps(tmp_path):
    """As one is that was interrupted."""
    if find_spec("matplotlib") is None:
        skip_or_fail("matplotlib is not installed")
    rows = [((10, 0.5), (20, 0.25)), ((10, 0.5), (13, 0.5), (20, 0.75))]
    nets = tuple(
        Trained(kind=kind, depth=depth, seed=seed, result=result(*rows[seed]))
        for kind in ROWS
        for depth in (8, 14)
        for seed in (0, 1)
    )
    values = {"a": 1.0, "b": 2.0}
    layers = tuple(
        Layers(kind=kind, depth=depth, first_gradients=values, last_gradients=values, responses=values)
        for kind in ROWS
        for depth in (8, 14)
    )
    write_panels(tmp_path / "p.png", Degradation(recipe="r", data="d", nets=nets, layers=layers))
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size[0] > 1000


@pytest.mark.parametrize(("readouts", "marked"), [(1, True), (60, False)])
def test_a_net_with_one_readout_is_seen(readouts, marked):
    """A line through one point draws nothing."""
    if find_spec("matplotlib") is None:
        skip_or_fail("matplotlib is not installed")
    from matplotlib.figure import Figure

    axis = Figure().subplots()
    net = Trained(kind="plain", depth=8, seed=0, result=result(*((step, 0.5) for step in range(readouts))))
    _draw_errors(axis, [net], {"color": "C0"})
    (line,) = axis.get_lines()
    assert (line.get_marker() == ".") is marked and len(line.get_xdata()) == readouts


def test_without_matplotlib_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run("--plot", tmp_path / "p.png", "--workdir", tmp_path / "nets")
    assert isinstance(result.exception, ModuleNotFoundError) and "kres[plots]" in str(result.exception)
    assert not (tmp_path / "nets").exists()


def test_ctrl_c_ends_with_its_exit_code(tmp_path, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise Interrupted("stopped after step 1", signal_number=2)

    monkeypatch.setattr("kres.training.degradation_problem.fit", interrupted)
    assert run("--workdir", tmp_path / "nets").exit_code == 130
