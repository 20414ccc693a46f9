"""`kres export`: from a model to artifacts that have been run."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.status import Status

from kres.cli.page import NAME, timed, write_report
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

if TYPE_CHECKING:
    from kres.export import Report

MAX_DROP = 0.3


def export(
    source: Source,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="saved_model, float32, float16, dynamic, int8, int16x8, weight_int8, weight_int4 or onnx; several "
            "times for several. The weight-only ones take the extra kres[quantizer], onnx takes kres[onnx].",
        ),
    ] = None,
    all_formats: Annotated[
        bool, typer.Option("--all", help="Every format; one whose extra is not installed is skipped, and listed so.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Directory for the artifacts. Default: export/ in the workdir, or here.")
    ] = None,
    data: Data = None,
    io: Annotated[
        str, typer.Option(help="Input and output: float32; of the int8 file also int8 or uint8, of int16x8 int16.")
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
        int, typer.Option(min=16, help="Images of the train split that ranges are taken from, classes in turn.")
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
    from kres.cli.models import class_names, proof, resolve
    from kres.export import FORMATS, About, export_all, makeable
    from kres.export.extras import require
    from kres.export.post_training.quantize import PostTraining
    from kres.export.request import Request, check_format, needs_calibration, options_for
    from kres.export.runtimes.compatibility import Platforms
    from kres.export.runtimes.interpreters import CURRENT, named_runtimes

    names, skipped = makeable() if all_formats else ([check_format(name) for name in formats or ()], {})
    if not names:
        raise ValueError(f"name a --format ({', '.join(FORMATS)}) or give --all. Received: neither")
    for name in names:
        require(FORMATS[name].extra, what=name)
    if max_drop is not None and not auto:
        raise ValueError(f"--max-drop goes with --auto. Received: --max-drop {max_drop:g} alone")
    request = Request(
        io=io,
        batch=batch,
        pixels=pixels,
        how=PostTraining(
            ranges=ranges,
            percentile=percentile,
            equalize=equalize,
            correct_bias=bias,
            keep_float=tuple(keep_float or ()),
            max_drop=(MAX_DROP if max_drop is None else max_drop) if auto else None,
        ),
        platforms=Platforms(runtimes=named_runtimes(runtime or [CURRENT.name]), target=target_runtime),
    )
    options_for(names, request)  # before minutes go by
    progress = Console(stderr=True)
    with progress.status("running the Keras model") as status:
        named = resolve(
            source,
            weights=weights,
            accept_licence=accept_licence,
            classes=classes,
            image_size=image_size,
            preprocess=preprocess,
            checkpoint=checkpoint,
        )
        if all_formats:
            names, skipped = makeable(named.model)
        calibrated = [name for name in names if needs_calibration(named.model, name)]
        if data is None and named.data is None and calibrated:
            words = " and ".join(calibrated)
            raise ValueError(f"{words} take ranges from images: give --data, or leave them out. Received: no --data")
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
        found = proof(
            named,
            data,
            limit=images,
            on_corrupt=on_corrupt,
            calibration_images=calibration_images if calibrated else 0,
            calibration_seed=calibration_seed,
        )
        if about.class_names is None and named.classifies:
            about = replace(about, class_names=found.class_names)
        steps = Steps(progress, status, count=len(names))
        reports = export_all(
            named.model,
            directory,
            names,
            name=named.name,
            expected=found.reference,
            calibration=found.calibration,
            request=replace(request, about=about),
            started=steps.started,
            finished=steps.finished,
        )
        artifacts = timed(reports, bench=bench, started=lambda name: status.update(f"timing {name}"))
        page = directory / NAME
        write_report(page, named, found, artifacts, class_names=about.class_names)
    show(reports, description=found.description, as_json=as_json, skipped=skipped)
    progress.print(f"Report: {page}", markup=False, highlight=False, soft_wrap=True)
    if not all(report.passed for report in reports):
        raise typer.Exit(1)


class Steps:
    """Tells on a terminal how far an export is: a line as each format ends, a spinner with its name before."""

    def __init__(self, console: Console, status: Status, *, count: int) -> None:
        self._console, self._status, self._count = console, status, count
        self._number = 0
        self._since = time.perf_counter()

    def started(self, name: str) -> None:
        """Show the format that is being written and run."""
        self._number += 1
        self._since = time.perf_counter()
        self._status.update(f"{self._number} of {self._count}: writing and running {name}")

    def finished(self, report: "Report") -> None:
        """Leave a line with the outcome and the seconds, on a terminal alone."""
        if self._console.is_terminal:
            verdict = "passed" if report.passed else "failed"
            seconds = time.perf_counter() - self._since
            line = f"{self._number} of {self._count}: {Path(report.path).name} {verdict} in {seconds:.1f} s"
            self._console.print(line, markup=False, highlight=False)
