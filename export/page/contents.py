"""What a page is drawn from: the evidence that an export gathered, and nothing that is drawn yet."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kres.export.proof.reports import Reference, Report
from kres.export.runtimes.benchmarking import Timing
from kres.preprocessing import Preprocess


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One artifact: how it compares with the Keras model, and how fast it is, if it was timed."""

    report: Report
    timing: Timing | None = None

    @property
    def name(self) -> str:
        """The file's name, or that of its format where no file could be made."""
        return self.report.format if self.report.path is None else Path(self.report.path).name

    @property
    def exists(self) -> bool:
        """Whether there is a file, be it a rejected one."""
        return self.report.path is not None

    @property
    def kind(self) -> str:
        """What opens it: "saved_model", or the ending of the file's name without the dot, as in "tflite"."""
        saved_model = self.report.format == "saved_model"
        return self.report.format if saved_model else Path(self.name).suffix.removeprefix(".")


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A file of an earlier export: when it was made, and what the JSON beside it says of it.

    `reason` says why it has not `passed`; what the JSON does not say is None, and so is all of a file that is not read.
    """

    path: Path
    passed: bool
    reason: str
    made: datetime | None = None
    size_bytes: int | None = None
    format: str | None = None
    top1: float | None = None
    agreement: float | None = None
    max_difference: float | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a report shows; a section without data is left out.

    `reference` holds what the Keras model answered, on the images that the artifacts were compared on: where it has no
    labels its images are taken for random ones, and none is shown, and without its `preprocess` there are no pictures
    and no snippets. `history` holds a mapping a row of log.csv, and `earlier` the files of other exports that lie with
    the artifacts. `folder` is where the page lies, and where those who run its snippets begin.
    """

    title: str
    artifacts: Sequence[Artifact]
    reference: Reference | None = None
    class_names: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    history: Sequence[Mapping[str, float | None]] = ()
    earlier: Sequence[Earlier] = ()
    folder: Path | None = None

    @property
    def preprocess(self) -> Preprocess | None:
        """How images become the model's input."""
        return None if self.reference is None else self.reference.preprocess

    def path_to(self, path: str | Path) -> str:
        """The way from the page to a file, as POSIX writes it; the file's name where the page lies nowhere yet."""
        return Path(path).name if self.folder is None else Path(os.path.relpath(path, self.folder)).as_posix()

    def name_of(self, label: int) -> str:
        """A class's name, or its number where the classes have no names."""
        return self.class_names[label] if self.class_names else str(label)
