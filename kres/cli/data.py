"""`kres data`: what is in a source of labelled images."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from kres.cli import tables
from kres.cli.catalogue import AsJson
from kres.cli.verify import SOURCES

if TYPE_CHECKING:
    from kres.training.data.inspection import Inspection, Spread

app = typer.Typer(help="Look at the images that a run trains on.", no_args_is_help=True)
DataSource = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCES)]
SHOWN_CLASSES = 40
SHOWN_NAMES = 10


@app.callback()
def group() -> None:
    """Look at the images that a run trains on."""


def inspect(
    source: DataSource,
    every: Annotated[bool, typer.Option("--all", help="Show all classes and names, not some of many.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet to this .png or .jpg file.")] = None,
    columns: Annotated[int, typer.Option(min=1, help="Images of a class on the contact sheet.")] = 8,
    as_json: AsJson = False,
) -> None:
    """Show class counts, sizes, bad files and images that are in both splits; write a contact sheet.

    Every image is decoded once, for the bad ones, which is remembered until the files change: training starts sooner.
    """
    from kres.training.data import load
    from kres.training.data.inspection import inspect as inspect_source
    from kres.training.data.sheet import check_sheet, contact_sheet

    if sheet is not None:
        check_sheet(sheet)
    opened = load(source, on_corrupt="skip")
    found = inspect_source(opened)
    shown = _shown(found, every=every)
    if sheet is not None:
        contact_sheet(opened, sheet, classes=[label for part in shown for label in part], columns=columns)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    _print(found, shown, limit=None if every else SHOWN_NAMES)
    if sheet is not None:
        typer.echo(f"contact sheet: {sheet}")


def _shown(found: "Inspection", *, every: bool) -> tuple[list[int], list[int]]:
    """The classes to show, those with most images first; of many, half with the most and half with the fewest."""
    train = found.counts["train"]
    order = sorted(range(len(train)), key=lambda label: -train[label])
    if every or len(order) <= SHOWN_CLASSES:
        return order, []
    return order[: SHOWN_CLASSES // 2], order[-SHOWN_CLASSES // 2 :]


def _print(found: "Inspection", shown: tuple[list[int], list[int]], *, limit: int | None) -> None:
    console = tables.console()
    train, test = (sum(found.counts[part]) for part in ("train", "test"))
    cut_off = ", held out of the same images" if found.held_out else ""
    title = f"{found.name}: {len(found.class_names)} classes, {train:,} images to train and {test:,} to test{cut_off}"
    console.print(escape(title), highlight=False, soft_wrap=True)
    console.print(_classes(found, *shown))
    console.print(_sizes(found))
    for what, counts in (("formats", found.formats), ("colours", found.colours)):
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        console.print(escape(f"{what}: {listed}"), highlight=False)
    needed = " (to train on the others, give --on-corrupt skip)" if found.corrupt else ""
    lines = [
        *_unread(found),
        _named(f"cannot be decoded, and are left out above{needed}", found.corrupt, limit=limit),
        _named(
            "of the test images are in the training split too, byte for byte",
            [f"{train} = {test}" for train, test in found.leaks],
            limit=limit,
        ),
        *(f"{count:,} of the {part} images repeat another one there" for part, count in found.repeats.items() if count),
    ]
    for line in lines:
        console.print(escape(line), highlight=False, soft_wrap=True)


def _unread(found: "Inspection") -> list[str]:
    if not found.other_formats:
        return []
    listed = ", ".join(f"{suffix} {count:,}" for suffix, count in found.other_formats.items())
    return [f"{sum(found.other_formats.values()):,} image files of formats that are not read are left out: {listed}"]


def _classes(found: "Inspection", most: list[int], fewest: list[int]) -> Table:
    table = tables.table(tables.text("class"), *map(tables.figure, found.counts))
    for label in most:
        table.add_row(*_row(found, label))
    if fewest:
        table.add_section()
        table.add_row(f"... {len(found.class_names) - len(most) - len(fewest)} more (--all)")
        table.add_section()
    for label in fewest:
        table.add_row(*_row(found, label))
    return table


def _row(found: "Inspection", label: int) -> list[str]:
    return [escape(found.class_names[label]), *(f"{counts[label]:,}" for counts in found.counts.values())]


def _sizes(found: "Inspection") -> Table:
    table = tables.table(tables.word(""), *map(tables.figure, ("least", "median", "most")))
    for name, spread in (("width, px", found.width), ("height, px", found.height), ("file, bytes", found.file_bytes)):
        if spread is not None:
            table.add_row(name, *_cells(spread))
    return table


def _cells(spread: "Spread") -> list[str]:
    return [f"{value:,.0f}" for value in (spread.min, spread.median, spread.max)]


def _named(what: str, names: Sequence[str], *, limit: int | None) -> str:
    """How many are so, and which: all or the first ones."""
    if not names:
        return f"0 {what}"
    more = f", and {len(names) - limit} more (--all)" if limit is not None and len(names) > limit else ""
    return f"{len(names):,} {what}: {', '.join(names[:limit])}{more}"
