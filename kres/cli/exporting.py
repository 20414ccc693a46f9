"""The work of `kres export`, once its options are read: from a model's name to artifacts and a report."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.status import Status

from kres.choices import listed
from kres.cli.models import Named, class_names
from kres.cli.page import NAME, timed, write_report
from kres.cli.proving import Proof
from kres.cli.verify import verdict
from kres.export import FORMATS, About, Platforms, Report, Request, export_all, makeable
from kres.export.defaults import CALIBRATION_IMAGES
from kres.export.request import needs_calibration, options_for, places
from kres.export.runtimes.interpreters import CURRENT, named_runtimes


@dataclass(frozen=True)
class Done:
    """What an export came to: a report a format, the formats left out and why, on what images, and a page to write."""

    reports: list[Report]
    skipped: dict[str, str]
    description: str
    page: Path
    write_page: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the command line asks for; `resolve` finds the model, and `proof` runs it.

    Raises ValueError for options that none of the formats takes, before minutes go by.
    """

    formats: Sequence[str]
    all_formats: bool
    request: Request
    resolve: Callable[[], Named]
    data: str | None
    proof: Callable[..., Proof]
    calibration_images: int | None
    calibration_seed: int | None
    labels: Path | None
    output: Path | None
    bench: bool

    def __post_init__(self) -> None:
        options_for(self.formats, self.request)

    def run(self, console: Console, status: Status) -> Done:
        """Write and run the artifacts and time them; `status` tells how far that is."""
        named = self.resolve()
        names, skipped = makeable(named.model) if self.all_formats else (self.formats, {})
        calibration = self._calibration(named, names)
        self._about(named)  # a wrong file of labels is told before minutes go by
        directory = self.output or (named.directory or Path()) / "export"
        places(directory, names, name=named.name)
        found = self.proof(named, **calibration)
        about = self._about(named, found)
        steps = Steps(console, status, count=len(names))
        reports = export_all(
            named.model,
            directory,
            names,
            name=named.name,
            expected=found.reference,
            calibration=found.calibration,
            request=replace(self.request, about=about),
            started=steps.started,
            finished=steps.finished,
        )
        artifacts = timed(reports, bench=self.bench, started=lambda name: status.update(f"timing {name}"))
        page = directory / NAME
        target = None if self.request.platforms is None else self.request.platforms.target
        facts = {} if target is None else {"target runtime": f"tflite-runtime {target}"}
        page_of_these = partial(write_report, page, named, found, artifacts, folder=directory)
        write_page = partial(page_of_these, class_names=about.class_names, facts=facts)
        return Done(reports, skipped, found.description, page, write_page)

    def _calibration(self, named: Named, names: Sequence[str]) -> dict[str, int]:
        """How many images of the train split ranges are taken from, and which; none where no format takes any."""
        asked = {"calibration_images": self.calibration_images, "calibration_seed": self.calibration_seed}
        given = {name: value for name, value in asked.items() if value is not None}
        calibrated = [name for name in names if needs_calibration(named.model, name)]
        if calibrated and self.data is None and named.data is None:
            words = listed(calibrated, "and")
            raise ValueError(f"the ranges of {words} come from images: give --data. Received: no --data")
        if given and not calibrated:
            takers = listed([name for name, row in FORMATS.items() if row.calibrated], "and")
            received = ", ".join(f"{name}={value}" for name, value in given.items())
            raise ValueError(
                f"calibration images are for {takers} of a float model alone. "
                f"Received: {received} for {listed(names, 'and')}"
            )
        return {"calibration_images": CALIBRATION_IMAGES, **given} if calibrated else {}

    def _about(self, named: Named, found: Proof | None = None) -> About:
        """What the files tell, the names of the classes among it; those of the data once they are read."""
        data = found.class_names if found is not None and named.classifies else None
        names = class_names(named, self.labels, data=data)
        return replace(self.request.about, class_names=names, name=named.name).of(named.model)


def platforms_of(runtimes: Sequence[str] | None, target: str | None) -> Platforms | None:
    """Give where TFLite files are proven, or None where nothing is said of it."""
    if runtimes is None and target is None:
        return None
    return Platforms(runtimes=named_runtimes(runtimes or [CURRENT.name]), target=target)


class Steps:
    """Tells how far an export is: a line as each format ends, and on a terminal a spinner with its name before."""

    def __init__(self, console: Console, status: Status, *, count: int) -> None:
        self._console, self._status, self._count = console, status, count
        self._number = 0
        self._since = time.perf_counter()

    def started(self, name: str) -> None:
        """Show the format that is being written and run."""
        self._number += 1
        self._since = time.perf_counter()
        self._status.update(f"{self._number} of {self._count}: writing and running {name}")

    def finished(self, report: Report) -> None:
        """Leave a line with the outcome and the seconds."""
        name = report.format if report.path is None else Path(report.path).name
        seconds = time.perf_counter() - self._since
        line = f"{self._number} of {self._count}: {name} {verdict(report)} in {seconds:.1f} s"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
