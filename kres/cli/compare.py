"""`kres compare`: networks side by side."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kres.cli import tables
from kres.cli.bench import machine
from kres.cli.plot import check_plot, write_plot
from kres.cli.sidebyside import ROUNDS, Compared, Latency, compare, write_csv
from kres.cli.verify import AsJson

logger = logging.getLogger(__name__)

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NETWORK...",
        help="Rows of `kres list`, with a tag or without; names in keras.applications; KerasHub's ViT presets.",
    ),
]


def compare_(
    names: Names,
    image_size: Annotated[int | None, typer.Option(min=1, help="Pixels; default: each network's own.")] = None,
    latency: Annotated[bool, typer.Option(help="Time them on this CPU.")] = True,
    threads: Annotated[int, typer.Option(min=1, help="Threads of both runtimes.")] = 2,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs a round, after a warm-up.")] = 20,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the networks take turns.")] = ROUNDS,
    csv: Annotated[Path | None, typer.Option(help="Write the table as CSV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw accuracy against cost: .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put networks side by side, built with RANDOM weights: costs, CPU latency, published top-1."""
    from kres.cli.rivals import find

    rivals = [find(name) for name in dict.fromkeys(names)]
    if plot is not None:
        check_plot(plot, [rival.name for rival in rivals if rival.top1 is not None])
    if csv is not None and not csv.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {csv.parent}. Received: {csv}")
    with Console(stderr=True).status("building") as status:
        rows = compare(
            rivals,
            image_size=image_size,
            latency=latency,
            threads=threads,
            runs=runs,
            rounds=rounds,
            progress=status.update,
        )
    if csv is not None:
        write_csv(csv, rows)
    if plot is not None:
        write_plot(plot, rows)
        if absent := [row.name for row in rows if row.top1 is None]:
            logger.warning("not in the plot, for want of a published top-1: %s", ", ".join(absent))
    if as_json:
        settings = {"threads": threads, "runs": runs, "rounds": rounds} if latency else {}
        found = {"weights": "random", **machine(), **settings, "networks": [asdict(row) for row in rows]}
        typer.echo(json.dumps(found, indent=2))
        return
    _show(rows, words=f"{threads} threads, {rounds} rounds of {runs} runs" if latency else "")


def _show(rows: list[Compared], *, words: str) -> None:
    caption = "random weights; memory: activations of one image; top-1: as published, at the publisher's size"
    if words:
        caption += f"; ms: median, fastest and slowest round, {words}, as a TensorFlow graph and in TFLite float32"
    heads = ("pixels", "params", "MACs", "memory", "top-1")
    timed = [tables.text(head, justify="right") for head in ("Keras ms", "TFLite ms")] if words else []
    table = tables.table(tables.text("network"), *map(tables.figure, heads), *timed, caption=caption)
    for row in rows:
        cells = [
            row.name,
            str(row.input_size),
            f"{row.params / 1e6:.1f}M",
            f"{row.macs / 1e9:.2f}G" + (" *" if row.unknown else ""),
            f"{row.peak_bytes / 1e6:.1f}MB",
            "-" if row.top1 is None else f"{row.top1:.1f}",
        ]
        table.add_row(*cells, *((_milliseconds(row.keras), _milliseconds(row.tflite)) if words else ()))
    console = tables.console()
    console.print(table)
    for row in rows:
        if row.unknown:
            console.print(f"* {row.name}: the MACs of these layers are not known: {', '.join(row.unknown)}")
        for failure in row.failures:
            console.print(f"{row.name} was not timed as {failure}", markup=False)


def _milliseconds(latency: Latency | None) -> str:
    if latency is None:
        return "-"
    return f"{tables.short(latency.median_ms)} ({tables.short(latency.low_ms)} to {tables.short(latency.high_ms)})"
