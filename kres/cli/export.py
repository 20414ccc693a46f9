"""`kres export`: from a model to artifacts that have been run."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kres.cli.runtimes import Runtimes, TargetRuntime
from kres.cli.verify import (
    AcceptLicence,
    AsJson,
    Checkpoint,
    Classes,
    Data,
    Images,
    ImageSize,
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
    weights: Weights = None,
    accept_licence: AcceptLicence = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    checkpoint: Checkpoint = None,
    images: Images = 1000,
    on_corrupt: OnCorrupt = "fail",
    runtime: Runtimes = None,
    target_runtime: TargetRuntime = None,
    as_json: AsJson = False,
) -> None:
    """Write artifacts, run each against the Keras model, and keep those that pass; exit code 1 when one does not.

    TFLite files run in ai-edge-litert, or in every interpreter that --runtime names.
    """
    from kres.cli.models import proof, resolve
    from kres.export import FORMATS, export_all
    from kres.export.artifacts import check_format, check_io
    from kres.export.compatibility import Platforms
    from kres.export.runtimes import CURRENT, named_runtimes

    names = list(FORMATS) if all_formats else [check_format(name) for name in formats or ()]
    if not names:
        raise ValueError(f"name a --format ({', '.join(FORMATS)}) or give --all. Received: neither")
    for name in names:
        check_io(io if FORMATS[name].calibrated else "float32", name)
    platforms = Platforms(runtimes=named_runtimes(runtime or [CURRENT.name]), target=target_runtime)
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
        directory = output or (named.directory or Path()) / "export"
        directory.mkdir(parents=True, exist_ok=True)
        found = proof(named, data, limit=images, on_corrupt=on_corrupt)
        reports = export_all(
            named.model,
            directory,
            names,
            name=named.name,
            expected=found.reference,
            calibration=found.calibration,
            io=io,
            runtimes=platforms.runtimes,
            target_runtime=platforms.target,
            started=lambda name: status.update(f"writing and running {name}"),
        )
    show(reports, description=found.description, as_json=as_json)
    if not all(report.passed for report in reports):
        raise typer.Exit(1)
