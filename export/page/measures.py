"""The artifacts as a table, and their size and latency as bars."""

from datetime import datetime
from html import escape

from kres.export.page.charts import Bar, bars
from kres.export.page.contents import Earlier, Page
from kres.export.page.tables import table as drawn
from kres.export.page.words import MINUTES, breakable, difference, percent, verdict
from kres.export.proof.reports import Report

NOTE = (
    "Agreement is the share of images with the Keras model's top-1, the difference that of two logits in units of "
    "the largest one (of two outputs where they are quantized)."
)
EARLIER = (
    " Files that say when they were made are of an earlier export and still in the folder: their figures are that "
    "export's, from the JSON beside each, and they were not run again."
)
HEAD = ("artifact", "format", "top-1", "agreement", "max difference", "verdict")


def table(page: Page) -> str:
    """Draw accuracy, agreement with the Keras model and verdict of each artifact."""
    rows = [
        _row(artifact.name, artifact.report, failed="rejected" if artifact.exists else "not made")
        for artifact in page.artifacts
    ]
    rows += [
        _row(one.path.name, one, failed="rejected" if one.format else "not known", made=one.made)
        for one in page.earlier
    ]
    note = NOTE + (EARLIER if page.earlier else "")
    return drawn(HEAD, rows) + f'<p class="note">{note}</p>' if rows else ""


def _row(name: str, found: Report | Earlier, *, failed: str, made: datetime | None = None) -> tuple[str, ...]:
    when = "" if made is None else f"<small>made {made:{MINUTES}}</small>"
    return (
        f"<code>{breakable(name)}</code>{when}",
        escape(found.format or "-"),
        percent(found.top1),
        percent(found.agreement),
        difference(found.max_difference),
        verdict(found.reason, passed=found.passed, failed=failed),
    )


def sizes(page: Page) -> str:
    """Draw the sizes of the artifacts as bars."""
    found = [(artifact.name, artifact.report.size_bytes) for artifact in page.artifacts]
    found += [(one.path.name, one.size_bytes) for one in page.earlier]
    known = [Bar(name, count, f"{count / 1e6:.2f} MB") for name, count in found if count is not None]
    return bars(known, title="Bytes of each file, in megabytes")


def latency(page: Page) -> str:
    """Draw the median times of the artifacts that were timed as bars, with their quartiles."""
    timings = [(artifact.name, artifact.timing) for artifact in page.artifacts if artifact.timing is not None]
    found = [
        Bar(name, timing.median_ms, f"{timing.median_ms:.3g} ms", low=timing.low_ms, high=timing.high_ms)
        for name, timing in timings
    ]
    threads = timings[0][1].threads if timings else 0
    return bars(
        found,
        title=f"Milliseconds an image at batch 1, {threads} threads: the median; the thin line is the middle half",
    )
