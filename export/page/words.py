"""Names and numbers as the page writes them."""

import re
from html import escape


def breakable(name: str) -> str:
    """Escape a name that may be long: where it does not fit, it breaks at a dot or an underscore."""
    return re.sub("([._])", r"\1<wbr>", escape(name))


def percent(share: float | None) -> str:
    """Write a share as percent, and what was not measured as a dash."""
    return "-" if share is None else f"{100 * share:.2f} %"
