"""`kres demo`: the whole way, from handwritten digits to verified files for a phone, with a report to look at."""

import dataclasses
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from kres.cli import tables
from kres.cli.page import NAME, THREADS, processor, timed, write_report
from kres.cli.serve_page import page_of
from kres.cli.train import ends_with_its_exit_code
from kres.cli.verify import AsJson, megabytes, percent

RECIPE, DATA = "digits_resnet20", "digits"
FORMATS = ("saved_model", "float32", "float16", "dynamic", "int8")
APPLICATION_FORMATS = ("int8", "float32")
EXPORT = "export"


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Of the run; each seed has a directory of its own.")] = 0,
    directory: Annotated[Path, typer.Option(help="Where the runs are kept.")] = Path("runs"),
    steps: Annotated[int | None, typer.Option(min=1, help="Squeeze the training to this many steps.")] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Write a page too that runs a file in a browser; npm brings LiteRT.js once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train ResNet-20 on digits, export a SavedModel and four TFLite files, verify and time them, and report.

    About four minutes on two cores. An interrupted run goes on where it stopped; exit code 1 when a file is rejected.
    """
    from kres.cli.models import class_names, resolve
    from kres.cli.proving import proof
    from kres.export import CALIBRATION_IMAGES, About, Request, export_all, web_page
    from kres.export.browser import litert_js
    from kres.training import fit
    from kres.training.workdir import RUN

    if web:
        litert_js.fetch()  # before minutes go by
    workdir = directory / f"demo-seed{seed}"
    with ends_with_its_exit_code("Go on with the same command."):
        begun = (workdir / RUN).is_file()
        result = fit(RECIPE, data=DATA, workdir=workdir, seed=seed, steps=steps, resume=begun)
    with Console(stderr=True).status("running the Keras model") as status:
        named = resolve(str(workdir))
        names = class_names(named, None)
        found = proof(named, DATA, limit=result.n_images, calibration_images=CALIBRATION_IMAGES)
        reports = export_all(
            named.model,
            workdir / EXPORT,
            FORMATS,
            name=named.name,
            expected=found.reference,
            calibration=found.calibration,
            request=Request(about=About(class_names=names)),
            started=lambda name: status.update(f"writing and running {name}"),
        )
        artifacts = timed(reports, started=lambda name: status.update(f"timing {name}"))
    page, small = workdir / NAME, _for_an_application(reports)
    browsable = small if web else None
    # What was found is told first: it is not lost with a page that cannot be written.
    if as_json:
        _show_json(result, artifacts, page, browsable)
    else:
        _show(result, artifacts)
    _write_report(page, named, found, names, result, artifacts)
    if browsable is not None:
        web_page(named.model, browsable, page_of(browsable), labels=names)
    if not as_json:
        if browsable is not None:
            typer.echo(f"Page: {page_of(browsable)}")
        typer.echo(_closing(workdir, page, small, web=web))
    if not all(report.passed for report in reports):
        raise typer.Exit(1)


def _for_an_application(reports: Sequence[Any]) -> Path | None:
    """The artifact for a browser or a phone: the first of APPLICATION_FORMATS that passed."""
    passed = {report.format: Path(report.path) for report in reports if report.passed}
    return next((passed[name] for name in APPLICATION_FORMATS if name in passed), None)


def _closing(workdir: Path, page: Path, artifact: Path | None, *, web: bool) -> str:
    """Where everything lies, and the command that goes on from there."""
    if artifact is None:
        command = f"kres export {shlex.quote(str(workdir))} --format int8 --auto"
    else:
        command = f"kres {'serve-page' if web else 'bench'} {shlex.quote(str(artifact))}"
    return f"Files: {workdir / EXPORT}, report: {page}. Next: {command}"


def _milliseconds(artifact: Any) -> float | None:
    return None if artifact.timing is None else artifact.timing.median_ms


def _show_json(result: Any, artifacts: Sequence[Any], page: Path, browsable: Path | None) -> None:
    rows = [{**dataclasses.asdict(artifact.report), "ms": _milliseconds(artifact)} for artifact in artifacts]
    answer = {"accuracy": result.accuracy, "n_images": result.n_images, "artifacts": rows, "report": str(page)}
    answer |= {} if browsable is None else {"web": str(page_of(browsable))}
    typer.echo(json.dumps(answer, indent=2))


def _show(result: Any, artifacts: Sequence[Any]) -> None:
    table = tables.table(
        tables.text("artifact"),
        *map(tables.figure, ("size", "ms an image", "top-1", "agreement with Keras")),
        title=f"{RECIPE}: Keras has {percent(result.accuracy)} of {result.n_images} held-out images right",
        caption=f"{THREADS} threads, batch 1, {processor()}",
    )
    for artifact in artifacts:
        report, ms = artifact.report, _milliseconds(artifact)
        table.add_row(
            artifact.name,
            megabytes(report.size_bytes),
            "-" if ms is None else f"{ms:.2f}",
            percent(report.top1),
            percent(report.agreement),
            style=None if report.passed else "red",
        )
    console = tables.console()
    console.print(table)
    for artifact in artifacts:
        if not artifact.report.passed:
            console.print(f"{artifact.name}: {artifact.report.reason}", style="red", markup=False)


def _write_report(
    page: Path, named: Any, found: Any, names: Sequence[str] | None, result: Any, artifacts: Sequence[Any]
) -> None:
    facts = {
        "network": "ResNet-20 (He et al. 2015)",
        "recipe": f"{result.recipe}, seed {result.seed}, {result.steps} steps",
        "training": f"{result.seconds:.0f} s",
    }
    write_report(
        page,
        named,
        found,
        artifacts,
        folder=page.parent / EXPORT,
        class_names=names,
        title=f"{result.recipe}: from digits to a phone",
        facts=facts,
        history=[dataclasses.asdict(row) for row in result.history],
    )
