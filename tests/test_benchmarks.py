"""Every benchmark runs, at a size that takes seconds; what it would say at full size is for people to read."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from benchmarks.harness import Row, in_turns
from tests.support import skip_or_fail

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if "def main(" in path.read_text())


def run(file: Path, *options: str) -> str:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # Without the collector, which would look through all that TensorFlow's import makes, again and again.
    script = f"import gc, runpy; gc.disable(); runpy.run_path({str(file)!r}, run_name='__main__')"
    command = [sys.executable, "-c", script, *options]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_runs(file: Path) -> None:
    answer = json.loads(run(file, "--toy", "--json").splitlines()[-1])
    assert answer["toy"]
    assert {"cpu", "cores", "TF_ENABLE_ONEDNN_OPTS", "tensorflow", "keras"} <= answer["machine"].keys()
    measured = [row for row in answer["rows"] if not row["not_measurable"]]
    if not measured:
        skip_or_fail(answer["rows"][0]["not_measurable"])
    for row in measured:
        assert len(row["kres"]) == len(row["stock"]) == 1
        assert min(row["kres"] + row["stock"]) > 0
        assert row["ratio"] > 0


def test_there_are_benchmarks() -> None:
    assert {"build", "input", "first_step", "fused_latency", "resnet50_step", "families_step", "loop_overhead"} <= {
        file.stem for file in BENCHMARKS
    }


def test_contestants_take_turns() -> None:
    order: list[str] = []

    def turn(name: str) -> list[float]:
        order.append(name)
        return [float(len(order))]

    found = in_turns({name: partial(turn, name) for name in ("kres", "stock")}, 2)
    assert found == {"kres": [1.0, 4.0], "stock": [2.0, 3.0]}
    assert order == ["kres", "stock", "stock", "kres"]


def test_ratio_is_of_the_medians_and_bounded_on_the_right_side() -> None:
    faster = Row(name="step", kres=[1.0, 1.0, 9.0], stock=[2.0, 2.0, 2.0], target=1.5)
    assert faster.ratio == 2.0
    assert faster.met
    shorter = Row(name="build", kres=[1.0], stock=[2.0], target=0.4, at_most=True)
    assert shorter.ratio == 0.5
    assert not shorter.met
    assert "missed" in shorter.cells()
    absent = Row(name="bf16", kres=[], stock=[], target=1.5, not_measurable="no instructions")
    assert "not measurable here: no instructions" in absent.cells()
