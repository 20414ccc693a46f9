"""What each interpreter made of a file that ran in it."""

from kres.export.page.contents import Artifact, Page
from kres.export.page.tables import table
from kres.export.page.words import breakable, difference, percent, verdict
from kres.export.proof.reports import RuntimeReport

HEAD = ("artifact", "runtime", "agreement", "max difference", "from the others", "verdict")
NOTE = "From the others: the largest difference to what another runtime answers; 0 is equal bit for bit."


def runtimes(page: Page) -> str:
    """Draw a row for each runtime of the artifacts that ran in several, and name the one of the others."""
    several = [artifact for artifact in page.artifacts if len(artifact.report.runtimes) > 1]
    rows = [_row(artifact, place) for artifact in several for place in range(len(artifact.report.runtimes))]
    text = f'{table(HEAD, rows)}<p class="note">{NOTE}</p>' if rows else ""
    alone: dict[str, list[Artifact]] = {}
    for artifact in page.artifacts:
        if len(artifact.report.runtimes) == 1:
            alone.setdefault(artifact.report.runtimes[0].runtime, []).append(artifact)
    for runtime, artifacts in alone.items():
        names = ", ".join(map(_name, artifacts))
        text += f'<p class="note">In {breakable(runtime)} alone, with the figures above: {names}.</p>'
    return text


def _name(artifact: Artifact) -> str:
    return f"<code>{breakable(artifact.name)}</code>"


def _row(artifact: Artifact, place: int) -> tuple[str, ...]:
    row = artifact.report.runtimes[place]
    return (
        _name(artifact),
        breakable(row.runtime),
        percent(row.agreement),
        difference(row.max_difference),
        _apart(row, place),
        verdict(row.reason, passed=row.passed),
    )


def _apart(row: RuntimeReport, place: int) -> str:
    others = [apart for index, apart in enumerate(row.apart) if index != place and apart is not None]
    return difference(max(others, default=None))
