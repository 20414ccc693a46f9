"""`kres runs`: training runs side by side."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from kres.choices import check_choice
from kres.cli import tables
from kres.cli.curves import AXES, check_plot, write_plot
from kres.cli.verify import AsJson

if TYPE_CHECKING:
    from kres.training.runs import Run

logger = logging.getLogger(__name__)

HIGH_FIRST = {"step", "best", "last", "images_per_second"}
SORT_KEYS = ("name", "recipe", "data", "state", "step", "best", "last", "loss", "seconds", "images_per_second")
SHOWN_SETTINGS = 8
FIRST = ("schedule.length", "schedule.unit", "batch_size", "seed")
COLOURS = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the workdirs are, at most three folders down.")],
    sort: Annotated[str, typer.Option(help=f"One of {', '.join(SORT_KEYS)}; the best come first.")] = "name",
    plot: Annotated[Path | None, typer.Option(help="Draw the curves of loss and accuracy: .png or .svg.")] = None,
    against: Annotated[str, typer.Option(help=f"What the curves run over: {', '.join(AXES)}.")] = "step",
    as_json: AsJson = False,
) -> None:
    """Put training runs side by side: how far they are, how good, how fast, and what was changed in their recipes."""
    check_choice(sort, "sort", SORT_KEYS)
    if plot is not None:
        check_plot(plot, against)
    from kres.training.runs import DEPTH, differing, find_runs

    folder = folder.expanduser()
    found, damaged = find_runs(folder)
    for one in damaged:
        logger.warning("%s is skipped: %s", one.workdir, one.reason)
    if not found:
        readable = "readable " if damaged else ""
        raise ValueError(f"there is no {readable}run (run.json) in {folder}, nor {DEPTH} folders down")
    found.sort(key=_order(sort))
    settings = differing(found)
    if plot is not None and (bare := write_plot(plot, found, against)):
        logger.warning("not in the plot, for want of a readout: %s", ", ".join(bare))
    if as_json:
        typer.echo(
            json.dumps([_jsonable(run, differs) for run, differs in zip(found, settings, strict=True)], indent=2)
        )
    else:
        tables.console().print(_progress(found), _recipes(found))


def _order(sort: str) -> Callable[["Run"], tuple[Any, ...]]:
    sign = -1 if sort in HIGH_FIRST else 1

    def key(run: "Run") -> tuple[Any, ...]:
        value = getattr(run, sort)
        if value is None:
            return (True, 0, run.name)
        return (False, value if isinstance(value, str) else sign * value, run.name)

    return key


def _progress(found: Sequence["Run"]) -> Table:
    """How far the runs are, how good and how fast; with a name of 20 letters, in 80 columns."""
    numbers = ("step", "best", "last", "loss", "time", "img/s")
    table = tables.table(
        tables.text("run"),
        tables.word("state"),
        *map(tables.figure, numbers),
        caption="best, last: test accuracy (%); time: in steps; img/s: median of the log",
    )
    for run in found:
        table.add_row(
            escape(run.name),
            _state(run),
            f"{run.step}/{run.steps or '?'}",
            _number(run.best, _percent),
            _number(run.last, _percent),
            _number(run.loss, "{:.4f}".format),
            _number(run.seconds, lambda seconds: str(timedelta(seconds=round(seconds)))),
            _number(run.images_per_second, "{:.0f}".format),
        )
    return table


def _recipes(found: Sequence["Run"]) -> Table:
    """The runs of each recipe, on which data, and what sets them apart."""
    from kres.training.workdir import data_name

    groups: dict[str, list[Run]] = {}
    for run in found:
        groups.setdefault(run.recipe, []).append(run)
    table = tables.table(*map(tables.text, ("recipe and run", "data", "changed in the recipe")))
    for recipe, runs in groups.items():
        table.add_row(Text(recipe, style="bold"))
        for run, apart in zip(runs, _apart(runs), strict=True):
            table.add_row(Text(f"  {run.name}"), Text(data_name(run.data)), Text(apart))
    return table


def _apart(runs: Sequence["Run"]) -> Iterator[str]:
    """What was changed in a recipe for each of its runs, and the seed where they have several.

    Of a recipe that is not published, in which fields the runs differ from one another.
    """
    from kres.training.changes import words_of
    from kres.training.runs import differing

    for run, own in zip(runs, differing(runs), strict=True):
        if run.changes is None:
            fields = {field: words_of(value) for field, value in own.items() if not field.startswith("data.")}
        else:
            seed = {field: words_of(value) for field, value in own.items() if field == "seed"}
            fields = seed | {field: " -> ".join(map(words_of, pair)) for field, pair in run.changes.items()}
        yield _listed(fields) or ("-" if run.changes is None else "as published")


def _listed(fields: Mapping[str, str]) -> str:
    """The fields, those first that most often set runs apart; of many the first ones."""
    order = sorted(fields, key=lambda field: FIRST.index(field) if field in FIRST else len(FIRST))
    parts = [f"{field} {fields[field]}" for field in order]
    more = len(parts) - SHOWN_SETTINGS
    if more > 1:
        parts[SHOWN_SETTINGS:] = [f"and {more} more (--json)"]
    return ", ".join(parts)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _state(run: "Run") -> Text:
    words = run.state
    if run.perhaps_dead:
        words += f"?\nsilent for {timedelta(seconds=60 * round(run.silent_seconds / 60))}"
    return Text(words, style=COLOURS.get(run.state, ""))


def _number(value: float | None, words: Callable[[float], str]) -> str:
    return "-" if value is None else words(value)


def _jsonable(run: "Run", differs: dict[str, Any]) -> dict[str, Any]:
    """The run as JSON holds it, which knows no infinity."""
    row = {name: value for name, value in vars(run).items() if name not in ("history", "settings")}
    unknown = {name: None for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)}
    return {**row, **unknown, "workdir": str(run.workdir), "differs": differs}
