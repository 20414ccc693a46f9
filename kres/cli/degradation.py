"""`kres degradation`: what depth alone does to plain and to residual nets."""

import json
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from kres.cli import tables
from kres.cli.panels import write_panels
from kres.cli.plot import check_picture
from kres.cli.train import ends_with_its_exit_code
from kres.cli.verify import AsJson, percent

if TYPE_CHECKING:
    from kres.training import Degradation


def degradation_(
    data: Annotated[
        str, typer.Option(help="digits or cifar10, which have a recipe of their own; with --recipe, any data.")
    ] = "digits",
    recipe: Annotated[str | None, typer.Option(help="Name of a recipe. Default: the one made for the data.")] = None,
    depths: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Layers of the nets, each 6n + 2. Default: the recipe's.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How often each net is trained.")] = 3,
    steps: Annotated[int | None, typer.Option(help="Squeeze or stretch the schedule to this many steps.")] = None,
    workdir: Annotated[
        Path | None, typer.Option(help="Where the nets are kept. Default: runs/degradation-DATA.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw training error, gradients and responses: .png or .svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train plain and residual nets of several depths by one recipe, and tell whether depth raises the training loss.

    It does in plain nets (He et al. 2015, figures 1 and 6). About two minutes on two cores for the digits; CIFAR-10
    takes a GPU hours. Ctrl-C stops after a step; the same command goes on there and trains no finished net again.
    """
    from kres.training import degradation
    from kres.training import recipe as find_recipe
    from kres.training.degradation_problem import recipe_for

    if plot is not None:
        check_picture(plot)
    chosen = recipe_for(data) if recipe is None else find_recipe(recipe)
    with ends_with_its_exit_code("Go on with the same command."):
        found = degradation(
            data,
            workdir=workdir or Path("runs") / f"degradation-{Path(data).name.replace(':', '-')}",
            recipe=chosen if steps is None else chosen.with_length(steps),
            depths=None if depths is None else _parsed(depths),
            seeds=seeds,
        )
    if plot is not None:
        write_panels(plot, found)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _show(found)


def _parsed(depths: str) -> tuple[int, ...]:
    from kres.training.settings.values import Count, parse

    try:
        return parse(depths, tuple[Count, ...])
    except ValueError as error:
        raise ValueError(f"--depths {error}") from error


def _show(found: "Degradation") -> None:
    numbers = ("layers", "seeds", "training loss", "training error", "test error")
    table = tables.table(
        tables.word("net"),
        *map(tables.figure, numbers),
        title=f"{found.recipe} on {found.data}",
        caption="means over the seeds; training loss and error over the last tenth of the steps",
    )
    for kind, depth in dict.fromkeys((net.kind, net.depth) for net in found.nets):
        nets = found.of(kind, depth)
        table.add_row(
            kind,
            str(depth),
            str(len(nets)),
            f"{fmean(net.final_loss for net in nets):.4f}",
            percent(fmean(net.final_error for net in nets)),
            percent(fmean(1 - net.result.accuracy for net in nets)),
        )
    tables.console().print(table)
    for comparison in found.comparisons:
        typer.echo(str(comparison))
    typer.echo(found.verdict)
