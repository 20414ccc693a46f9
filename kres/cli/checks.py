"""What options are refused for as they are read, before TensorFlow takes its seconds: callbacks of typer's options."""

import os
from pathlib import Path
from typing import TypeVar

from kres.choices import check_choice

Text = TypeVar("Text", str, str | None)


def source(text: Text) -> Text:
    """OSError or ValueError for a path that is no model's; a row of the zoo is looked up as it is built."""
    if text is None:
        return text
    path = expanded(text)
    if not path.suffix and len(path.parts) == 1:
        return text
    known = "a workdir, a .keras file or a row of `kres list`; other weights go behind --weights"
    if not path.exists():
        raise FileNotFoundError(f"no such model: {known}. Received: {text}")
    if path.suffix != ".keras" and not path.is_dir():
        raise ValueError(f"a model is {known}. Received: {text}, a file of another kind")
    return text


def expanded(text: str) -> Path:
    """The path, its `~` replaced; that of a user whom nobody knows stays, where Path's own method fails."""
    return Path(os.path.expanduser(text))


def page_file(path: Path) -> Path:
    """ArtifactError for what no page runs."""
    from kres.export.browser.kinds import check_kind

    check_kind(path)
    return path


def artifacts(paths: list[Path]) -> list[Path]:
    """ArtifactError for an artifact that is not there, or a directory that is none."""
    from kres.export.files.presence import check_there

    for path in paths:
        check_there(path)
    return paths


def formats(names: list[str] | None) -> list[str] | None:
    """ValueError for a format that there is not."""
    from kres.export.choosing import check_format

    return names and [check_format(name) for name in names]


def io(name: str) -> str:
    """ValueError for a type that no format has as its input and output."""
    from kres.export.formats import FORMATS

    return check_choice(name, "io", dict.fromkeys(each for row in FORMATS.values() for each in row.io))


def runtimes(texts: list[str] | None) -> list[str] | None:
    """ValueError for an interpreter that there is not, or not here."""
    from kres.export.runtimes.interpreters import named_runtimes

    named_runtimes(texts or ())
    return texts


def target_runtime(name: str | None) -> str | None:
    """ValueError for an old runtime that there is no table of."""
    if name is not None:
        from kres.export.runtimes.compatibility import Platforms

        Platforms(target=name)
    return name


def output(directory: Path | None) -> Path | None:
    """OSError for a directory that cannot be made or written to."""
    if directory is not None:
        from kres.export.destinations import check_directory

        check_directory(directory)
    return directory


def labels(path: Path | None) -> Path | None:
    """OSError for names of classes that cannot be read."""
    if path is None:
        return None
    allowed = "--labels is a text file of class names, one a line"
    if not path.exists():
        raise FileNotFoundError(f"{allowed}. Received: {path}, which is not there")
    if not path.is_file():
        raise IsADirectoryError(f"{allowed}. Received: {path}, which is a directory")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{allowed}. Received: {path}, which cannot be read")
    return path
