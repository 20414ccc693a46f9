"""`kres verify`: are these artifacts still the model?"""

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from kres.cli import checks, tables
from kres.cli.runtimes import Runtimes, TargetRuntime, show_layers, show_runtimes

logger = logging.getLogger("kres")

Source = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT_OR_MODEL",
        help="A workdir, a .keras file, or a row of `kres list`.",
        callback=checks.source,
    ),
]
SOURCES = "digits, an image folder, a folder of TFRecord files, a .csv or .npz file, a TFDS name or directory."
"""What a source of data may be, in the help of every command that takes one."""

Data = Annotated[
    str | None,
    typer.Option(help=f"Held-out images: {SOURCES} Default: the run's own."),
]
Weights = Annotated[str | None, typer.Option(help="For a row: a published tag or a file. Default: random weights.")]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="Use weights whose licence forbids commercial use, as it allows.")
]
Classes = Annotated[int | None, typer.Option(min=1, help="For a row: number of classes. Default: the weights' own.")]
ImageSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="For a row, or a .keras file that takes any size: height and width in pixels. Default: the weights' own.",
    ),
]
PreprocessPreset = Annotated[
    str | None,
    typer.Option(
        "--preprocess", help="For a .keras file that kres did not build: torch, caffe, tf or cifar, with --data."
    ),
]
Checkpoint = Annotated[
    str | None, typer.Option(help="For a workdir: last, or best by the recipe's test metric. Default: last.")
]
Images = Annotated[int, typer.Option(min=32, help="Held-out images to compare on, at most.")]
OnCorrupt = Annotated[
    str,
    typer.Option(
        help="What to do about images that do not decode: fail or skip, for which all are decoded once before (what is "
        "found is kept in $XDG_CACHE_HOME/kres, or ~/.cache/kres); or unchecked, which begins at once and fails where "
        "it comes to one."
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="File of class names, one a line. Default: the run's own, or ImageNet's 1000.", callback=checks.labels
    ),
]
Artifacts = Annotated[
    list[Path],
    typer.Argument(metavar="ARTIFACT...", help="SavedModels, .tflite, .onnx files.", callback=checks.artifacts),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to standard output, for scripts.")]


def verify(
    source: Source,
    artifacts: Artifacts,
    data: Data = None,
    weights: Weights = None,
    accept_licence: AcceptLicence = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    preprocess: PreprocessPreset = None,
    checkpoint: Checkpoint = None,
    images: Images = 1000,
    on_corrupt: OnCorrupt = "fail",
    max_drop: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            help="Top-1 that files judged by it may lose, in percentage points. Default: what the file's export "
            "was asked for, as the JSON beside it says, else what its format may, 0.3 for most.",
        ),
    ] = None,
    runtime: Runtimes = None,
    target_runtime: TargetRuntime = None,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="Compare TFLite files layer by layer: signal to noise in decibels, with what the layers before lost.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run every artifact against its Keras model on held-out images; exit code 1 when one breaks its tolerance.

    TFLite files run in every interpreter that is installed, or in those that --runtime names.
    """
    from kres.cli.models import resolve
    from kres.cli.proving import proof
    from kres.export import ArtifactError, installed_runtimes, tensor_errors
    from kres.export.proof.verification import check_or_report
    from kres.export.runtimes.compatibility import Platforms
    from kres.export.runtimes.interpreters import named_runtimes

    runtimes = named_runtimes(runtime) if runtime else installed_runtimes()
    platforms = Platforms(runtimes=runtimes, target=target_runtime)
    progress = Console(stderr=True)
    with progress.status("running the Keras model"):
        named = resolve(
            source,
            weights=weights,
            accept_licence=accept_licence,
            classes=classes,
            image_size=image_size,
            preprocess=preprocess,
            checkpoint=checkpoint,
        )
        found = proof(named, data, limit=images, on_corrupt=on_corrupt)
    reports = []
    for path in artifacts:
        with progress.status(f"running {path}"):
            report = check_or_report(found.reference, path, platforms=platforms, max_drop=max_drop)
            if layers and report.runtimes:
                try:
                    known = found.reference
                    errors = tensor_errors(named.model, path, known.images, preprocess=known.preprocess)
                    report = dataclasses.replace(report, layers=tuple(errors))
                except ArtifactError as error:
                    logger.warning("%s", error)
            reports.append(report)
    show(reports, description=found.description, as_json=as_json)
    if not all(report.passed for report in reports):
        raise typer.Exit(1)


def show(reports: Sequence[Any], *, description: str, as_json: bool, skipped: Mapping[str, str] | None = None) -> None:
    """Write reports to standard output, as a table or as JSON; `skipped` are the formats left out, and why."""
    skipped = skipped or {}
    if as_json:
        rows = [dataclasses.asdict(report) for report in reports]
        answer = {"images": description, "artifacts": rows, **({"skipped": dict(skipped)} if skipped else {})}
        typer.echo(json.dumps(answer, indent=2))
        return
    figures = map(tables.figure, ("size", "top-1", "agreement", "max diff"))
    table = tables.table(
        tables.text("artifact"), tables.word("format"), *figures, tables.word("verdict"), caption=description
    )
    for report in reports:
        table.add_row(
            "-" if report.path is None else escape(Path(report.path).name),
            report.format,
            megabytes(report.size_bytes),
            percent(report.top1),
            percent(report.agreement),
            "-" if report.max_difference is None else f"{report.max_difference:.1e}",
            f"[{'green' if report.passed else 'red'}]{verdict(report)}[/]",
        )
    for name in skipped:
        table.add_row("-", name, "-", "-", "-", "-", "[yellow]skipped[/]")
    console = tables.console(soft_wrap=True)
    console.print(table, soft_wrap=False)
    for name, why in skipped.items():
        console.print(f"[yellow]skipped[/] {name}: {escape(why)}", highlight=False)
    show_runtimes(console, reports)
    show_layers(console, reports)
    for report in reports:
        if not report.passed:
            which = report.path or report.format
            console.print(f"[red]{verdict(report)}[/] {escape(which)}: {escape(report.reason)}", highlight=False)


def verdict(report: Any) -> str:
    """Say in a word or two what became of an artifact."""
    if report.path is None:
        return "not made"
    return "passed" if report.passed else "failed"


def megabytes(size: int | None) -> str:
    """Write a size in bytes as megabytes, and that of no file as a dash."""
    return "-" if size is None else f"{size / 1e6:.2f} MB"


def percent(share: float | None) -> str:
    """Write a share as percent, and what was not measured as a dash."""
    return "-" if share is None else f"{100 * share:.2f} %"
