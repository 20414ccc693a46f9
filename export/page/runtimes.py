"""What each interpreter made of a file that ran in it."""

from kres.export.page.contents import Page
from kres.export.page.tables import table
from kres.export.page.words import breakable, difference, percent, verdict
from kres.export.proof.reports import RuntimeReport

HEAD = ("artifact", "runtime", "agreement", "max difference", "from the others", "verdict")


def runtimes(page: Page) -> str:
    """Draw a row for each artifact and runtime."""
    rows = [
        (
            f"<code>{breakable(artifact.name)}</code>",
            breakable(row.runtime),
            percent(row.agreement),
            difference(row.max_difference),
            _apart(row, place),
            verdict(row.reason, passed=row.passed),
        )
        for artifact in page.artifacts
        for place, row in enumerate(artifact.report.runtimes)
    ]
    note = "From the others: the largest difference to what another runtime answers; 0 is equal bit for bit."
    return table(HEAD, rows) + f'<p class="note">{note}</p>' if rows else ""


def _apart(row: RuntimeReport, place: int) -> str:
    others = [apart for index, apart in enumerate(row.apart) if index != place and apart is not None]
    return difference(max(others, default=None))
