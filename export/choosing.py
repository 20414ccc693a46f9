"""Formats, and types of their input and output, by name; without Keras, so that a command can refuse at once."""

from collections.abc import Sequence

from kres.choices import check_choice, listed
from kres.export.formats import FORMATS


def check_format(name: str) -> str:
    """Give a format's name back, or raise ValueError that names the closest one."""
    return check_choice(name, "format", FORMATS)


def check_io(io: str, names: Sequence[str]) -> str:
    """Give the type of input and output back, or raise ValueError where none of the formats has it."""
    allowed = dict.fromkeys(each for name in names for each in FORMATS[name].io)
    return check_choice(io, "io", allowed, of=f" for {listed(names, 'and')}")
