"""Tables of the commands: whole words and figures in 80 columns, and a line a row in a file or a pipe."""

import math
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

# Columns of an output that is no terminal: more than any row takes.
UNLIMITED = 100_000


def console(**settings: Any) -> Console:
    """Standard output as wide as the terminal; what is none, a file or a pipe, has lines of any length."""
    found = Console(**settings)
    return found if found.is_terminal else Console(width=UNLIMITED, **settings)


def text(head: str, *, justify: Literal["left", "right"] = "left") -> Column:
    """A column that gives way where a terminal is narrow: its cells go on in the next line."""
    return Column(head, overflow="fold", justify=justify)


def word(head: str) -> Column:
    """A column of words that stay whole."""
    return Column(head, no_wrap=True)


def figure(head: str) -> Column:
    """A column of numbers, which stay whole and stand at the right."""
    return Column(head, no_wrap=True, justify="right")


def table(*columns: Column, title: str | None = None, caption: str | None = None) -> Table:
    """A table without frames, whose width the cells have for themselves."""
    return Table(*columns, title=title, caption=caption, box=SIMPLE_HEAD, padding=0, show_edge=False)


def short(value: float) -> str:
    """A number above 0 in three digits, with four decimals at most."""
    rounded = float(f"{round(value, 4):.3g}")  # 9.999 has one digit before the point, and 10.0 two
    decimals = 2 - math.floor(math.log10(rounded)) if rounded > 0 else 0
    return f"{value:.{min(max(decimals, 0), 4)}f}"
