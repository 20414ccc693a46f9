"""The report that `kres export` and `kres demo` write: what the command line knows, on the page of kres.export."""

import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kres
from kres.hardware import cpu_flags

if TYPE_CHECKING:
    from kres.cli.models import Named
    from kres.cli.proving import Proof
    from kres.export import Report
    from kres.export.page import Artifact

logger = logging.getLogger("kres")

NAME = "report.html"
THREADS, RUNS = 2, 20


def timed(
    reports: Sequence["Report"], *, bench: bool = True, started: Callable[[str], None] = lambda name: None
) -> list["Artifact"]:
    """Time the artifacts that passed, where `bench`; `started` is called with each format's name.

    One whose timing fails has none, and the log says why.
    """
    from kres.export import benchmark
    from kres.export.page import Artifact

    artifacts = []
    for report in reports:
        timing = None
        if bench and report.passed and report.path is not None:
            started(report.format)
            try:
                timing = benchmark(report.path, THREADS, runs=RUNS)
            # The artifacts are good all the same, and what is known of them is not to be lost.
            except (ImportError, OSError, ValueError) as error:
                logger.warning("%s was not timed: %s", Path(report.path).name, error)
        artifacts.append(Artifact(report=report, timing=timing))
    return artifacts


def write_report(
    path: Path,
    named: "Named",
    proof: "Proof",
    artifacts: Sequence["Artifact"],
    *,
    folder: Path,
    class_names: Sequence[str] | None,
    title: str | None = None,
    facts: Mapping[str, str] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the page of an export into `folder` to `path`; `facts` stand before those that every export has."""
    from kres.cli.verify import percent
    from kres.export.page import Page, earlier_artifacts, write_page
    from kres.export.page.words import MINUTES

    reference = proof.reference
    known = {**(facts or {}), "compared on": proof.description}
    if reference.labels is not None and reference.outputs.ndim == 2 and not reference.others:
        known["top-1 in Keras"] = percent(float((reference.outputs.argmax(1) == reference.labels).mean()))
    known["exported"] = format(datetime.now(UTC), MINUTES)
    known |= {"processor": processor(), "kres": kres.__version__}
    page = Page(
        title=title or f"{named.name}: exported and compared",
        artifacts=artifacts,
        reference=reference,
        class_names=class_names or (),
        facts=known,
        history=history,
        earlier=earlier_artifacts(folder, [artifact.report for artifact in artifacts]),
    )
    write_page(page, path)


def processor() -> str:
    """Name the architecture, and the instructions that decide about speed."""
    return " ".join((platform.machine(), *cpu_flags()))
