"""`kres bench`: how long an artifact takes for one image."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from kres.cli.verify import AsJson, megabytes
from kres.hardware import cpu_flags


def bench(
    artifacts: Annotated[list[Path], typer.Argument(metavar="PATH...", help="SavedModels, .tflite, .onnx files.")],
    threads: Annotated[int, typer.Option(min=1, help="Threads of the interpreter.")] = 2,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs, after a warm-up.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Time artifacts at batch 1, each in a process of its own; compare figures of one run alone."""
    from kres.export import benchmark

    progress = Console(stderr=True)
    timings = []
    for path in artifacts:
        with progress.status(f"timing {path}"):
            timings.append(benchmark(path, threads, runs=runs))
    where = machine()
    if as_json:
        rows = [dataclasses.asdict(timing) for timing in timings]
        typer.echo(json.dumps({**where, "artifacts": rows}, indent=2))
        return
    caption = f"{threads} threads, {runs} runs; CPU: {' '.join(where['cpu_flags']) or '?'}; oneDNN: {where['onednn']}"
    table = Table(
        Column("artifact", overflow="fold"), "format", "median", "middle half", "size", "memory", caption=caption
    )
    for timing in timings:
        table.add_row(
            escape(Path(timing.path).name),
            timing.format,
            f"{timing.median_ms:.3g} ms",
            f"{timing.low_ms:.3g} to {timing.high_ms:.3g} ms",
            megabytes(timing.size_bytes),
            "-" if timing.peak_bytes is None else megabytes(timing.peak_bytes),
        )
    Console().print(table)


def machine() -> dict[str, Any]:
    """Give what of this machine decides about speed."""
    return {"cpu_flags": cpu_flags(), "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "by the CPU")}
