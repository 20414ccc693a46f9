"""The picture of `kres compare`: published accuracy against cost; and what every picture needs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kres.cli.sidebyside import Compared
from kres.writing import write_atomically

SUFFIXES = (".png", ".svg")


def check_picture(path: Path) -> None:
    """Raise before long work: for a suffix that is no picture's, a folder that is not there, or without matplotlib."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"a plot is a file ending in {' or '.join(SUFFIXES)}. Received: {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}. Received: {path}")
    figure_class()


def check_plot(path: Path, rows: Sequence[str]) -> None:
    """Raise before anything is measured: what `check_picture` raises, and ValueError without a network to draw."""
    check_picture(path)
    if not rows:
        raise ValueError(f"none of the networks has a published top-1 to plot. Received: {path}")


def write_plot(path: Path, rows: Sequence[Compared]) -> None:
    """Draw published top-1 over MACs and, where they were measured, over TFLite latencies; an area says parameters."""
    known = [row for row in rows if row.top1 is not None]
    panels = [("multiply-accumulates (G)", [row.macs / 1e9 for row in known])]
    if all(row.tflite is not None for row in known):
        panels.append(("TFLite float32 latency (ms)", [row.tflite.median_ms for row in known if row.tflite]))
    figure = figure_class()(figsize=(6.4 * len(panels), 4.8), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (label, costs) in zip(axes, panels, strict=True):
        _draw(axis, known, costs, label)
    axes[0].set_ylabel("published ImageNet top-1 (%)")
    figure.suptitle("Accuracy against cost; areas: parameters", fontsize=11)
    write_atomically(path, lambda aside: figure.savefig(aside, dpi=150))


def _draw(axis: Any, rows: Sequence[Compared], costs: Sequence[float], label: str) -> None:
    top1 = [row.top1 for row in rows]
    axis.scatter(costs, top1, s=[4 * row.params / 1e6 for row in rows], alpha=0.45, edgecolors="none")
    axis.scatter(costs, top1, s=9, color="black")
    for row, cost in zip(rows, costs, strict=True):
        axis.annotate(row.name, (cost, row.top1), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axis.set_xscale("log")
    axis.set_xticks(*_ticks(costs))
    axis.xaxis.set_minor_formatter("")
    axis.margins(x=0.25, y=0.15)
    axis.set_xlabel(label)
    axis.grid(which="both", alpha=0.25)


def _ticks(costs: Sequence[float]) -> tuple[list[float], list[str]]:
    """Places and words of 1, 2 and 5 times the powers of ten around the costs."""
    powers = range(math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs))) + 1)
    places = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    shown = [place for place in places if min(costs) / 2.5 < place < max(costs) * 2.5]
    return shown, [f"{place:g}" for place in shown]


def marker_of(points: int) -> str | None:
    """The marker of a curve: without one, a curve of a single point would not be seen."""
    return "." if points < 50 else None


def figure_class() -> Any:
    """Matplotlib's Figure, which needs no display; ModuleNotFoundError that names the extra."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("a plot is drawn by matplotlib: pip install 'kres[plots]'") from error
    return Figure
