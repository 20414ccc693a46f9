"""The picture of `kres runs`: training loss and test accuracy of every run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kres.choices import check_choice
from kres.cli.plot import check_picture, figure_class, marker_of
from kres.writing import write_atomically

if TYPE_CHECKING:
    from kres.training.runs import Run

AXES = {"step": "steps", "epoch": "epochs", "seconds": "seconds of training"}
"""Columns of the log that curves run over, and their words."""


def check_plot(path: Path, against: str) -> None:
    """Raise before anything is read: what `check_picture` raises, and ValueError for an unknown axis."""
    check_picture(path)
    check_choice(against, "against", AXES)


def write_plot(path: Path, runs: Sequence["Run"], against: str) -> list[str]:
    """Draw the runs' curves over that column of their logs; returns the names of those that have nothing to draw."""
    figure = figure_class()(figsize=(12.8, 4.8), layout="constrained")
    panels = dict(zip(("loss", "test_accuracy"), figure.subplots(1, 2), strict=True))
    bare = []
    for number, run in enumerate(runs):
        curves = {name: _curve(run, against, name) for name in panels}
        if not any(curves.values()):
            bare.append(run.name)
            continue
        for name, axis in panels.items():
            # The ten colours of the default cycle, then again with other dashes.
            axis.plot(
                *zip(*curves[name], strict=True) if curves[name] else ((), ()),
                label=run.name,
                color=f"C{number % 10}",
                linestyle=("-", "--", ":", "-.")[number // 10 % 4],
                marker=marker_of(len(curves[name])),
                linewidth=1.2,
            )
    panels["loss"].set_ylabel("training loss")
    panels["test_accuracy"].set_ylabel("test accuracy (%)")
    for axis in panels.values():
        axis.set_xlabel(AXES[against])
        axis.grid(alpha=0.25)
    figure.legend(*panels["loss"].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    write_atomically(path, lambda aside: figure.savefig(aside, dpi=150))
    return bare


def _curve(run: "Run", against: str, name: str) -> list[tuple[Any, Any]]:
    scale = 100 if name == "test_accuracy" else 1
    points = [(getattr(row, against), getattr(row, name)) for row in run.history]
    return [(x, y * scale) for x, y in points if x is not None and y is not None]
