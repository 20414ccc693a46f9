"""`kres export`: from a model to artifacts that have been run."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kres.cli.page import NAME, timed, write_report
from kres.cli.verify import (
    AcceptLicence,
    AsJson,
    Checkpoint,
    Classes,
    Data,
    Images,
    ImageSize,
    Labels,
    OnCorrupt,
    Source,
    Weights,
    show,
)


def export(
    source: Source,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="saved_model, float32, float16, dynamic or int8; several times for several."),
    ] = None,
    all_formats: Annotated[bool, typer.Option("--all", help="Every format.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Directory for the artifacts. Default: export/ in the workdir, or here.")
    ] = None,
    data: Data = None,
    io: Annotated[str, typer.Option(help="Input and output of the int8 file: float32, int8 or uint8.")] = "float32",
    pixels: Annotated[
        bool | None,
        typer.Option(
            "--pixels/--no-pixels",
            help="Raw RGB pixels 0..255 as input, normalised in the graph; MediaPipe opens such files. "
            "Default: for uint8 alone.",
        ),
    ] = None,
    labels: Labels = None,
    description: Annotated[str, typer.Option(help="For the files' metadata: what the model is for.")] = "",
    author: Annotated[str, typer.Option(help="For the files' metadata: who made the model.")] = "",
    model_version: Annotated[str, typer.Option(help="For the files' metadata: the model's version.")] = "",
    licence: Annotated[
        str, typer.Option(help="For the files' metadata. Default: that of the published weights, if there are any.")
    ] = "",
    weights: Weights = None,
    accept_licence: AcceptLicence = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    checkpoint: Checkpoint = None,
    images: Images = 1000,
    on_corrupt: OnCorrupt = "fail",
    bench: Annotated[bool, typer.Option("--bench/--no-bench", help="Time the artifacts for the report.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write artifacts, run each against the Keras model, and keep those that pass; exit code 1 when one does not.

    report.html beside them shows what was found, and how an application loads each file.
    """
    from kres.cli.models import class_names, proof, resolve
    from kres.export import FORMATS, About, export_all
    from kres.export.artifacts import check_format, check_io

    names = list(FORMATS) if all_formats else [check_format(name) for name in formats or ()]
    if not names:
        raise ValueError(f"name a --format ({', '.join(FORMATS)}) or give --all. Received: neither")
    for name in names:
        check_io(io if FORMATS[name].calibrated else "float32", name)
    progress = Console(stderr=True)
    with progress.status("running the Keras model") as status:
        named = resolve(
            source,
            weights=weights,
            accept_licence=accept_licence,
            classes=classes,
            image_size=image_size,
            checkpoint=checkpoint,
        )
        if data is None and named.data is None and any(FORMATS[name].calibrated for name in names):
            raise ValueError("int8 takes its ranges from images: give --data, or leave int8 out. Received: no --data")
        about = About(
            class_names=class_names(named, labels),
            name=named.name,
            description=description,
            version=model_version,
            author=author,
            licence=licence,
        ).of(named.model)  # a wrong file of labels is told before minutes go by
        directory = output or (named.directory or Path()) / "export"
        directory.mkdir(parents=True, exist_ok=True)
        found = proof(named, data, limit=images, on_corrupt=on_corrupt)
        if about.class_names is None:
            about = replace(about, class_names=found.class_names)
        reports = export_all(
            named.model,
            directory,
            names,
            name=named.name,
            expected=found.reference,
            calibration=found.calibration,
            io=io,
            pixels=pixels,
            about=about,
            started=lambda name: status.update(f"writing and running {name}"),
        )
        artifacts = timed(reports, bench=bench, started=lambda name: status.update(f"timing {name}"))
        page = directory / NAME
        write_report(page, named, found, artifacts, class_names=about.class_names)
    show(reports, description=found.description, as_json=as_json)
    progress.print(f"Report: {page}", markup=False, highlight=False, soft_wrap=True)
    if not all(report.passed for report in reports):
        raise typer.Exit(1)
