"""`kres demo`: the whole way, from handwritten digits to verified files for a phone, with a report to look at."""

import dataclasses
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

import kres
from kres.cli.serve_page import page_of
from kres.cli.train import ends_with_its_exit_code
from kres.cli.verify import AsJson, megabytes, percent
from kres.hardware import cpu_flags

RECIPE, DATA = "digits_resnet20", "digits"
THREADS = 2
EXAMPLES = 12
WEB_FORMATS = ("int8", "float32")


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Of the run; each seed has a directory of its own.")] = 0,
    directory: Annotated[Path, typer.Option(help="Where the runs are kept.")] = Path("runs"),
    steps: Annotated[int | None, typer.Option(min=1, help="Squeeze the training to this many steps.")] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Write a page too that runs a file in a browser; npm brings LiteRT.js once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train ResNet-20 on digits, export it in every format, verify and time the files, and report.

    About four minutes on two cores. An interrupted run goes on where it stopped; exit code 1 when a file is rejected.
    """
    from kres.cli.models import proof, resolve
    from kres.export import FORMATS, benchmark, export_all, litert_js
    from kres.training import fit

    if web:
        litert_js.fetch()  # before minutes go by
    workdir = directory / f"demo-seed{seed}"
    with ends_with_its_exit_code("Go on with the same command."):
        result = fit(RECIPE, data=DATA, workdir=workdir, seed=seed, steps=steps, resume=True)
    target = workdir / "export"
    target.mkdir(exist_ok=True)
    with Console(stderr=True).status("running the Keras model") as status:
        named = resolve(str(workdir))
        found = proof(named, DATA, limit=result.n_images)
        reports = export_all(
            named.model,
            target,
            list(FORMATS),
            name=named.name,
            expected=found.reference,
            calibration=found.calibration,
            started=lambda name: status.update(f"writing and running {name}"),
        )
        milliseconds = []
        for report in reports:
            status.update(f"timing {report.format}")
            milliseconds.append(benchmark(report.path, THREADS).median_ms if report.passed else None)
    page = _write_report(workdir, result, found.reference, reports, milliseconds)
    browsable = _write_web(named, reports) if web else None
    if as_json:
        artifacts = [{**dataclasses.asdict(report), "ms": ms} for report, ms in zip(reports, milliseconds, strict=True)]
        answer = {"accuracy": result.accuracy, "n_images": result.n_images, "artifacts": artifacts, "report": str(page)}
        answer |= {} if browsable is None else {"web": str(page_of(browsable))}
        typer.echo(json.dumps(answer, indent=2))
    else:
        _show(result, reports, milliseconds, page)
        if browsable is not None:
            typer.echo(f"Page: {page_of(browsable)}; see it: kres serve-page {browsable}")
    if not all(report.passed for report in reports):
        raise typer.Exit(1)


def _write_web(named: Any, reports: Sequence[Any]) -> Path | None:
    """Write the page of the first of WEB_FORMATS that passed, and give that artifact."""
    from kres.cli.models import class_names
    from kres.export import web_page

    passed = {report.format: Path(report.path) for report in reports if report.passed}
    artifact = next((passed[name] for name in WEB_FORMATS if name in passed), None)
    if artifact is not None:
        web_page(named.model, artifact, page_of(artifact), labels=class_names(named, None))
    return artifact


def _show(result: Any, reports: Sequence[Any], milliseconds: Sequence[float | None], page: Path) -> None:
    table = Table(
        Column("artifact", no_wrap=True),
        "size",
        "ms an image",
        "top-1",
        "agreement with Keras",
        title=f"{RECIPE}: Keras has {percent(result.accuracy)} of {result.n_images} held-out images right",
        caption=f"{THREADS} threads, batch 1, {_processor()}",
    )
    for report, ms in zip(reports, milliseconds, strict=True):
        table.add_row(
            Path(report.path).name,
            megabytes(report.size_bytes),
            "-" if ms is None else f"{ms:.2f}",
            percent(report.top1),
            percent(report.agreement),
            style=None if report.passed else "red",
        )
    console = Console()
    console.print(table)
    for report in reports:
        if not report.passed:
            console.print(f"{Path(report.path).name}: {report.reason}", style="red", markup=False)
    typer.echo(f"Report: {page}")


def _processor() -> str:
    return " ".join((platform.machine(), *cpu_flags()))


def _write_report(
    workdir: Path, result: Any, reference: Any, reports: Sequence[Any], milliseconds: Sequence[float | None]
) -> Path:
    from kres.export import reporting

    rows = [
        reporting.Row(
            artifact=Path(report.path).name,
            format=report.format,
            size_bytes=report.size_bytes,
            ms=ms,
            top1=report.top1,
            agreement=report.agreement,
            passed=report.passed,
            reason=report.reason,
        )
        for report, ms in zip(reports, milliseconds, strict=True)
    ]
    classes = reference.outputs.shape[1]
    predictions = reference.outputs.argmax(1)
    facts = {
        "network": "ResNet-20 (He et al. 2015)",
        "recipe": f"{result.recipe}, seed {result.seed}, {result.steps} steps",
        "accuracy in Keras": f"{percent(result.accuracy)} of {result.n_images} held-out images",
        "training": f"{result.seconds:.0f} s",
        "timing": f"{THREADS} threads, batch 1",
        "processor": _processor(),
        "kres": kres.__version__,
    }
    page = reporting.Page(
        title=f"{result.recipe}: from digits to a phone",
        facts=facts,
        rows=rows,
        history=[dataclasses.asdict(row) for row in result.history],
        confusion=reporting.confusion_matrix(reference.labels, predictions, classes),
        class_names=[str(index) for index in range(classes)],
        examples=_examples(reference, reports),
    )
    path = workdir / "report.html"
    reporting.write_html(page, path)
    return path


def _examples(reference: Any, reports: Sequence[Any]) -> list[Any]:
    """The images that the Keras model is least sure of, where formats may differ, with each format's answer."""
    import numpy as np

    from kres.export import reporting
    from kres.export.verification import run
    from kres.training.data import load

    rows = np.argsort(reference.outputs.max(1), kind="stable")[:EXAMPLES]
    some = dataclasses.replace(
        reference, images=reference.images[rows], labels=reference.labels[rows], outputs=reference.outputs[rows]
    )
    answers = {"Keras": some.outputs.argmax(1)}
    answers |= {report.format: run(report.path, some, report.format).argmax(1) for report in reports if report.passed}
    split = load(DATA).test
    return [
        reporting.Example(
            image=split.read(row).numpy(),
            label=str(some.labels[index]),
            predictions={name: str(answer[index]) for name, answer in answers.items()},
        )
        for index, row in enumerate(rows)
    ]
