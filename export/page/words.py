"""Names and numbers as the page writes them."""

import re
from html import escape

MINUTES = "%Y-%m-%d %H:%M %Z"
"""A time to the minute, as format() takes it."""


def breakable(name: str) -> str:
    """Escape a name that may be long: where it does not fit, it breaks at a dot or an underscore."""
    return re.sub("([._])", r"\1<wbr>", escape(name))


def percent(share: float | None) -> str:
    """Write a share as percent, and what was not measured as a dash."""
    return "-" if share is None else f"{100 * share:.2f} %"


def difference(value: float | None) -> str:
    """Write a difference by its order of magnitude; exactly none as 0, and what was not measured as a dash."""
    return "-" if value is None else f"{value:.1e}" if value else "0"


def verdict(reason: str, *, passed: bool, failed: str = "failed") -> str:
    """Write whether something has passed, and why not; `failed` is what it is called then."""
    if passed:
        return '<span class="good">✓ passed</span>'
    return f'<span class="bad">✗ {failed}: {escape(reason)}</span>'
