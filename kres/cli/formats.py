"""The formats that `kres export` is asked for, and which options go with them, before TensorFlow takes its seconds."""

from collections.abc import Mapping, Sequence
from typing import Any

from kres.choices import listed
from kres.export.choosing import check_format, check_io
from kres.export.extras import absent, require
from kres.export.formats import FORMATS


def check_together(options: Mapping[str, Any]) -> None:
    """Raise ValueError for options of `kres export` that do not go together."""
    names = formats_of(options["formats"], all_formats=options["all_formats"])
    auto, max_drop = options["auto"], options["max_drop"]
    if max_drop is not None and not auto:
        raise ValueError(f"--max-drop goes with --auto. Received: --max-drop {max_drop:g} alone")
    if auto and "int8" not in names:
        raise ValueError(f"--auto is for int8 alone. Received: --auto for {listed(names, 'and')}")
    check_io(options["io"], names)


def formats_of(names: Sequence[str] | None, *, all_formats: bool) -> list[str]:
    """Give the formats to make, each once: those of these names, or all that can be made here.

    Raises ValueError for neither and for both, MissingExtraError for one by name that cannot be made here.
    """
    if bool(names) == all_formats:
        received = f"--all with --format {' '.join(names)}" if names else "neither"
        raise ValueError(f"name a --format ({', '.join(FORMATS)}) or give --all. Received: {received}")
    if not names:
        return [name for name, row in FORMATS.items() if not absent(row.extra)]
    found = [check_format(name) for name in dict.fromkeys(names)]
    for name in found:
        require(FORMATS[name].extra, what=name)
    return found
