"""`kres bench`: how long an artifact takes for one image, and where the time goes."""

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kres.cli import tables
from kres.cli.verify import Artifacts, AsJson, megabytes
from kres.hardware import cpu_flags

if TYPE_CHECKING:
    from kres.export.runtimes.benchmarking import Delegation, Timing

SLOWEST = "Slowest operators to show of each TFLite file, each timed alone in a file cut out of it; 0: none."


def bench(
    artifacts: Artifacts,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the interpreter.")] = 2,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs, after a warm-up.")] = 50,
    slowest: Annotated[int, typer.Option(min=0, help=SLOWEST)] = 5,
    as_json: AsJson = False,
) -> None:
    """Time artifacts at batch 1, each in a process of its own; compare figures of one run alone.

    `XNNPACK` is the share of a TFLite file's nodes that the delegate took, and in how many partitions: best is all in
    one. A SavedModel has no delegate, and its operators are not timed.
    """
    from kres.export import benchmark

    progress = Console(stderr=True)
    timings = []
    for path in artifacts:
        with progress.status(f"timing {path}"):
            timings.append(benchmark(path, threads, runs=runs, operators=slowest > 0))
    where = machine()
    if as_json:
        rows = [dataclasses.asdict(timing) for timing in timings]
        typer.echo(json.dumps({**where, "artifacts": rows}, indent=2))
        return
    console = tables.console()
    caption = f"{threads} threads, {runs} runs; CPU: {' '.join(where['cpu_flags']) or '?'}; oneDNN: {where['onednn']}"
    figures = map(tables.figure, ("median ms", "middle half", "size", "memory", "XNNPACK"))
    table = tables.table(tables.text("artifact"), tables.word("format"), *figures, caption=caption)
    for timing in timings:
        table.add_row(
            escape(Path(timing.path).name),
            timing.format,
            tables.short(timing.median_ms),
            f"{tables.short(timing.low_ms)} to {tables.short(timing.high_ms)}",
            megabytes(timing.size_bytes),
            "-" if timing.peak_bytes is None else megabytes(timing.peak_bytes),
            delegated(timing.delegation),
        )
    console.print(table)
    for timing in timings:
        if timing.operators:
            console.print(operators_table(timing, slowest))


def delegated(delegation: "Delegation | None") -> str:
    """Say what a delegate took, in the words of a cell."""
    if delegation is None:
        return "-"
    return f"{delegation.share:.0%} in {delegation.partitions}"


def operators_table(timing: "Timing", n: int) -> Table:
    """Give the table of a file's slowest operators, each timed alone."""
    total = sum(operator.ms or 0 for operator in timing.operators)
    caption = f"timed alone, each in a file of its own; all {len(timing.operators)} together {tables.short(total)} ms"
    columns = (
        tables.text("slowest operators"),
        tables.text("layer"),
        tables.figure("median ms"),
        tables.figure("share"),
    )
    table = tables.table(*columns, title=escape(timing.path), caption=caption)
    for operator in timing.slowest(n):
        time = ("-", "-") if operator.ms is None else (tables.short(operator.ms), f"{operator.share:.1%}")
        table.add_row(operator.name, escape(operator.layer), *time)
    return table


def machine() -> dict[str, Any]:
    """Give what of this machine decides about speed."""
    return {"cpu_flags": cpu_flags(), "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "by the CPU")}
