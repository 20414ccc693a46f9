"""`kres export`: from a model to artifacts that have been run."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kres.cli import checks
from kres.cli.formats import formats_of
from kres.cli.runtimes import Runtimes, TargetRuntime
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
    PreprocessPreset,
    Source,
    Weights,
    show,
)
from kres.export.defaults import CALIBRATION_IMAGES, PERCENTILE

MAX_DROP = 0.3


def export(
    source: Source,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="saved_model, float32, float16, dynamic, int8, int16x8, weight_int8, weight_int4 or onnx; several "
            "times for several. The weight-only ones take the extra `quantizer` of kres, onnx takes `onnx`.",
            callback=checks.formats,
        ),
    ] = None,
    all_formats: Annotated[
        bool, typer.Option("--all", help="Every format; one whose extra is not installed is skipped, and listed so.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Directory for the artifacts. Default: export/ in the workdir, or here.", callback=checks.output
        ),
    ] = None,
    data: Data = None,
    io: Annotated[
        str,
        typer.Option(
            help="Input and output: float32; of the int8 file also int8 or uint8, of int16x8 int16.",
            callback=checks.io,
        ),
    ] = "float32",
    batch: Annotated[int | None, typer.Option(min=1, help="Fixed batch of the SavedModel. Default: any.")] = None,
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
    calibration_images: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Images of the train split that ranges are taken from, classes in turn. "
            f"Default: {CALIBRATION_IMAGES}.",
        ),
    ] = None,
    calibration_seed: Annotated[int | None, typer.Option(min=0, help="Chooses those images. Default: 0.")] = None,
    ranges: Annotated[str, typer.Option(help="Ranges of int8's activations: minmax, percentile or mse.")] = "minmax",
    percentile: Annotated[
        float | None,
        typer.Option(help=f"For --ranges percentile: what lies within, in percent. Default: {PERCENTILE}."),
    ] = None,
    equalize: Annotated[
        bool, typer.Option("--equalize", help="Scale the channels of neighbouring layers alike before int8.")
    ] = False,
    correct_bias: Annotated[
        bool, typer.Option("--correct-bias", help="Take off int8's biases what quantization adds to the mean.")
    ] = False,
    keep_float: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer, or pattern such as 'stage4_*', that int8 leaves in float32; several times for several."
        ),
    ] = None,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto", help="Leave the layers that lose most, half of all at most, in float32 until --max-drop is met."
        ),
    ] = False,
    max_drop: Annotated[
        float | None,
        typer.Option(help=f"With --auto: top-1 that int8 may lose, in percentage points. Default: {MAX_DROP}."),
    ] = None,
    weights: Weights = None,
    accept_licence: AcceptLicence = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    preprocess: PreprocessPreset = None,
    checkpoint: Checkpoint = None,
    images: Images = 1000,
    on_corrupt: OnCorrupt = "fail",
    bench: Annotated[bool, typer.Option("--bench/--no-bench", help="Time the artifacts for the report.")] = True,
    runtime: Runtimes = None,
    target_runtime: TargetRuntime = None,
    as_json: AsJson = False,
) -> None:
    """Write artifacts, run each against the Keras model, and keep those that pass; exit code 1 when one does not.

    TFLite files run in ai-edge-litert, or in every interpreter that --runtime names.

    report.html beside them shows what was found, and how an application loads each file.
    """
    from kres.cli.exporting import Job, platforms_of
    from kres.cli.models import resolve
    from kres.cli.proving import proof
    from kres.export import About, PostTraining, Request

    job = Job(
        formats=formats_of(formats, all_formats=all_formats),
        all_formats=all_formats,
        request=Request(
            io=io,
            batch=batch,
            pixels=pixels,
            how=PostTraining(
                ranges=ranges,
                percentile=percentile,
                equalize=equalize,
                correct_bias=correct_bias,
                keep_float=tuple(keep_float or ()),
                max_drop=(MAX_DROP if max_drop is None else max_drop) if auto else None,
            ),
            platforms=platforms_of(runtime, target_runtime),
            about=About(description=description, version=model_version, author=author, licence=licence),
        ),
        resolve=partial(
            resolve,
            source,
            weights=weights,
            accept_licence=accept_licence,
            classes=classes,
            image_size=image_size,
            preprocess=preprocess,
            checkpoint=checkpoint,
        ),
        data=data,
        proof=partial(proof, data=data, limit=images, on_corrupt=on_corrupt),
        calibration_images=calibration_images,
        calibration_seed=calibration_seed,
        labels=labels,
        output=output,
        bench=bench,
    )
    progress = Console(stderr=True)
    with progress.status("running the Keras model") as status:
        done = job.run(progress, status)
    show(done.reports, description=done.description, as_json=as_json, skipped=done.skipped)
    # What could be told is not lost with a page that cannot be written.
    done.write_page()
    progress.print(f"Report: {done.page}", markup=False, highlight=False, soft_wrap=True)
    if not all(report.passed for report in done.reports):
        raise typer.Exit(1)
