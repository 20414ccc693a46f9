"""`kres export`: from a model to artifacts that have been run."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

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

MAX_DROP = 0.3


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
    calibration_images: Annotated[
        int, typer.Option(min=16, help="Images of the train split that int8 takes its ranges from, classes in turn.")
    ] = 256,
    calibration_seed: Annotated[int, typer.Option(min=0, help="Chooses those images.")] = 0,
    ranges: Annotated[str, typer.Option(help="Ranges of int8's activations: minmax, percentile or mse.")] = "minmax",
    percentile: Annotated[float, typer.Option(help="For --ranges percentile: what lies within, in percent.")] = 99.99,
    equalize: Annotated[
        bool, typer.Option("--equalize", help="Scale the channels of neighbouring layers alike before int8.")
    ] = False,
    bias: Annotated[
        bool, typer.Option("--correct-bias", help="Take off int8's biases what quantization adds to the mean.")
    ] = False,
    keep_float: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer, or pattern such as 'stage4_*', that int8 leaves in float32; several times for several."
        ),
    ] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Leave the layers that lose most in float32 until --max-drop is met.")
    ] = False,
    max_drop: Annotated[
        float | None, typer.Option(help="With --auto: top-1 that int8 may lose, in percentage points. Default: 0.3.")
    ] = None,
    weights: Weights = None,
    accept_licence: AcceptLicence = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    checkpoint: Checkpoint = None,
    images: Images = 1000,
    on_corrupt: OnCorrupt = "fail",
    as_json: AsJson = False,
) -> None:
    """Write artifacts, run each against the Keras model, and keep those that pass; exit code 1 when one does not."""
    from kres.cli.models import proof, resolve
    from kres.export import FORMATS, export_all
    from kres.export.artifacts import check_format, check_io, needs_calibration
    from kres.export.post_training import PostTraining

    names = list(FORMATS) if all_formats else [check_format(name) for name in formats or ()]
    if not names:
        raise ValueError(f"name a --format ({', '.join(FORMATS)}) or give --all. Received: neither")
    for name in names:
        check_io(io if FORMATS[name].calibrated else "float32", name)
    if max_drop is not None and not auto:
        raise ValueError(f"--max-drop goes with --auto. Received: --max-drop {max_drop:g} alone")
    how = PostTraining(
        ranges=ranges,
        percentile=percentile,
        equalize=equalize,
        correct_bias=bias,
        keep_float=tuple(keep_float or ()),
        max_drop=(MAX_DROP if max_drop is None else max_drop) if auto else None,
    )
    if how != PostTraining() and not any(FORMATS[name].calibrated for name in names):
        raise ValueError(f"--ranges and what goes with it are for int8 alone. Received: --format {' '.join(names)}")
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
        if data is None and named.data is None and any(needs_calibration(named.model, name) for name in names):
            raise ValueError("int8 takes its ranges from images: give --data, or leave int8 out. Received: no --data")
        directory = output or (named.directory or Path()) / "export"
        directory.mkdir(parents=True, exist_ok=True)
        found = proof(
            named,
            data,
            limit=images,
            on_corrupt=on_corrupt,
            calibration_images=calibration_images,
            calibration_seed=calibration_seed,
        )
        reports = export_all(
            named.model,
            directory,
            names,
            name=named.name,
            expected=found.reference,
            calibration=found.calibration,
            io=io,
            how=how,
            started=lambda name: status.update(f"writing and running {name}"),
        )
    show(reports, description=found.description, as_json=as_json)
    if not all(report.passed for report in reports):
        raise typer.Exit(1)
