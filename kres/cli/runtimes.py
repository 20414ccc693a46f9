"""What the commands say and ask about the interpreters that a TFLite file runs in, and about its layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kres.cli import checks, tables

MOST_LAYERS = 10

Runtimes = Annotated[
    list[str] | None,
    typer.Option(
        "--runtime",
        help="Interpreter that TFLite files run in: ai-edge-litert, tf.lite or tflite-runtime; NAME=PYTHON where "
        "another Python has it, as in $KRES_TFLITE_RUNTIME_PYTHON; several times for several.",
        callback=checks.runtimes,
    ),
]
TargetRuntime = Annotated[
    str | None,
    typer.Option(
        help="2.14: fail TFLite files with operators that tflite-runtime 2.14 does not have.",
        callback=checks.target_runtime,
    ),
]


def show_runtimes(console: Console, reports: Sequence[Any]) -> None:
    """Write a row for each artifact and runtime, where one ran in several."""
    several = [report for report in reports if len(report.runtimes) > 1]
    if not several:
        return
    table = tables.table(
        tables.text("artifact"),
        tables.text("runtime"),
        *map(tables.figure, ("agreement", "max diff", "mean diff", "cosine", "apart")),
        tables.word("verdict"),
        caption="apart: the largest difference to another runtime's outputs",
    )
    for report in several:
        for index, row in enumerate(report.runtimes):
            others = [apart for place, apart in enumerate(row.apart) if place != index and apart is not None]
            table.add_row(
                escape(Path(report.path).name),
                escape(row.runtime),
                "-" if row.agreement is None else f"{100 * row.agreement:.2f} %",
                _difference(row.max_difference),
                _difference(row.mean_difference),
                "-" if row.cosine is None else f"{row.cosine:.4f}",
                _difference(max(others, default=None)),
                "[green]passed[/]" if row.passed else "[red]failed[/]",
            )
    console.print(table, soft_wrap=False)


def show_layers(console: Console, reports: Sequence[Any]) -> None:
    """Write the layers that lose most, a table for each artifact that has been looked into."""
    for report in reports:
        if report.layers:
            console.print(_worst(report), soft_wrap=False)
        if report.kept_float:
            console.print(f"in float32 stay: {escape(', '.join(report.kept_float))}", highlight=False)


def _worst(report: Any) -> Table:
    from kres.export.losses import worst_first

    own = any(error.own_snr_db is not None for error in report.layers)
    worst = worst_first(report.layers)[:MOST_LAYERS]
    most = "lose most by themselves" if own else "lose most together with those before"
    by_itself, kind = ([tables.figure("by itself")], [tables.word("kind")]) if own else ([], [])
    table = tables.table(
        tables.text("layer"),
        *by_itself,
        tables.figure("with those before"),
        *kind,
        title=f"{escape(Path(report.path).name)}: the {len(worst)} layers of {len(report.layers)} that {most}",
        caption="signal to noise against Keras: 6 dB more is half the error",
    )
    for error in worst:
        total = _decibels(error.snr_db)
        table.add_row(escape(error.name), *((_decibels(error.own_snr_db), total, error.kind) if own else (total,)))
    return table


def _decibels(ratio: float | None) -> str:
    from kres.export.losses import EXACT_DB

    if ratio is None:
        return "-"
    return "exact" if ratio >= EXACT_DB else f"{ratio:.1f} dB"


def _difference(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"
