"""The picture of `kres degradation`: training error, gradients and responses (He et al. 2015, figures 1, 6 and 7)."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from kres.cli.plot import figure_class, marker_of
from kres.writing import write_atomically

if TYPE_CHECKING:
    from kres.training import Degradation
    from kres.training.degradation_problem import Trained

LINES = {"plain": "--", "residual": "-"}


def write_panels(path: Path, found: "Degradation") -> None:
    """Draw the three panels: a colour is a depth, a broken line a plain net."""
    figure = figure_class()(figsize=(16.0, 4.8), layout="constrained")
    errors, gradients, responses = figure.subplots(1, 3)
    depths = sorted({net.depth for net in found.nets})
    colours = {depth: f"C{number % 10}" for number, depth in enumerate(depths)}
    for layers in found.layers:
        style = {"color": colours[layers.depth], "linestyle": LINES[layers.kind], "linewidth": 1.2}
        _draw_errors(errors, found.of(layers.kind, layers.depth), style)
        numbers = range(1, len(layers.responses) + 1)
        gradients.plot(numbers, list(layers.first_gradients.values()), **style)
        gradients.plot(numbers, list(layers.last_gradients.values()), **style, alpha=0.35)
        responses.plot(numbers, list(layers.responses.values()), **style)
    _label(errors, "training error", x="steps", y="training error (%)")
    _label(
        gradients,
        "gradient norm a layer, as training starts (pale: as it ends)",
        x="3x3 layer, from the input",
        y="gradient norm",
    )
    gradients.set_yscale("log")
    _label(responses, "responses a layer, as training ends", x="3x3 layer, from the input", y="standard deviation")
    figure.legend(*errors.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    write_atomically(path, lambda aside: figure.savefig(aside, dpi=150))


def _draw_errors(axis: Any, nets: "Sequence[Trained]", style: dict[str, Any]) -> None:
    """The mean over the seeds, and a band from the lowest to the highest."""
    curves = [{row.step: 100 * (1 - row.accuracy) for row in net.result.history} for net in nets]
    # A run that was interrupted has a readout more than the others.
    steps = sorted(set.intersection(*map(set, curves)))
    at_each = [[curve[step] for curve in curves] for step in steps]
    label = f"{nets[0].kind}, {nets[0].depth} layers"
    axis.plot(steps, list(map(fmean, at_each)), label=label, marker=marker_of(len(steps)), **style)
    axis.fill_between(steps, list(map(min, at_each)), list(map(max, at_each)), color=style["color"], alpha=0.15)


def _label(axis: Any, title: str, *, x: str, y: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.25)
