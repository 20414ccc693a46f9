"""The files that earlier exports left beside an export's own, as the JSON beside each tells of them."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kres.export.beside import SUFFIX, facts_beside, sha256
from kres.export.files.inspection import size
from kres.export.page.contents import Earlier
from kres.export.proof.reports import Report

CHANGED = "it is not the file that was verified"


def earlier_artifacts(folder: Path, reports: Sequence[Report]) -> list[Earlier]:
    """Find what lies in the folder of an export and is not what its `reports` are of."""
    own = {os.path.realpath(report.path) for report in reports if report.path is not None}
    described = [path.with_name(path.name.removesuffix(SUFFIX)) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    found = (_described(path) for path in described if os.path.realpath(path) not in own)
    return [one for one in found if one is not None]


def _described(path: Path) -> Earlier | None:
    """What the JSON of a file says; None where there is no such file, or it is another's JSON than kres's."""
    facts = facts_beside(path)
    if facts is None:
        return None
    try:
        if not path.exists():
            return None
        same = facts["sha256"] == sha256(path)
        known = _figures(facts) if same else {"passed": False, "reason": CHANGED}
        # A file keeps its time as it is renamed, and its JSON may be a copy.
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return Earlier(path=path, made=made, size_bytes=size(path), **known)
    # Another may own it, or take it away meanwhile.
    except OSError as error:
        return Earlier(path=path, passed=False, reason=f"it cannot be read ({error.strerror or error})")
    except (KeyError, TypeError, ValueError):
        return None


def _figures(facts: dict[str, Any]) -> dict[str, Any]:
    measured = facts["verification"]
    figures = {name: measured[name] for name in ("top1", "agreement", "max_difference")}
    return {
        "format": str(facts["format"]),
        "passed": bool(facts["passed"]),
        "reason": str(facts["reason"]),
        **{name: None if value is None else float(value) for name, value in figures.items()},
    }
