"""The artifacts as a table, and their size and latency as bars."""

from html import escape

from kres.export.page.charts import Bar, bars
from kres.export.page.contents import Page
from kres.export.page.tables import table as drawn
from kres.export.page.words import breakable, difference, percent, verdict

HEAD = ("artifact", "format", "top-1", "agreement", "max difference", "verdict")


def table(page: Page) -> str:
    """Draw accuracy, agreement with the Keras model and verdict of each artifact."""
    rows = [
        (
            f"<code>{breakable(artifact.name)}</code>",
            escape(artifact.report.format),
            percent(artifact.report.top1),
            percent(artifact.report.agreement),
            difference(artifact.report.max_difference),
            verdict(
                artifact.report.reason,
                passed=artifact.report.passed,
                failed="rejected" if artifact.exists else "not made",
            ),
        )
        for artifact in page.artifacts
    ]
    note = (
        "Agreement is the share of images with the Keras model's top-1, the difference that of two logits in units of "
        "the largest one (of two outputs where they are quantized)."
    )
    return drawn(HEAD, rows) + f'<p class="note">{note}</p>' if rows else ""


def sizes(page: Page) -> str:
    """Draw the sizes of the artifacts as bars."""
    sizes = [(artifact.name, artifact.report.size_bytes) for artifact in page.artifacts]
    found = [Bar(name, size, f"{size / 1e6:.2f} MB") for name, size in sizes if size is not None]
    return bars(found, title="Bytes of each file, in megabytes")


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
