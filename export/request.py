"""What an export is asked for: everything that can be refused is refused here, before the long work begins."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from kres.export.about import About
from kres.export.conversion.pixels import chosen
from kres.export.formats import FORMATS, Options
from kres.export.post_training.quantize import PostTraining
from kres.export.runtimes.compatibility import Platforms
from kres.quantization import is_twin


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller may ask for whatever the formats are; each takes of it what it has.

    `io` and `batch` are those of `Options`; `pixels` is None for the default, raw pixels in uint8 alone. `how` is how
    int8 is made of calibration images, `platforms` where TFLite files are proven, None for ai-edge-litert alone, and
    `about` what the files tell.
    """

    io: str = "float32"
    batch: int | None = None
    pixels: bool | None = None
    how: PostTraining = PostTraining()  # noqa: RUF009 (frozen)
    platforms: Platforms | None = None
    about: About = About()  # noqa: RUF009 (frozen)


def check_format(name: str) -> str:
    """Give a format's name back, or raise ValueError that names the closest one."""
    if name not in FORMATS:
        raise ValueError(f"format must be one of {list(FORMATS)}.{closest(name)} Received: {name!r}")
    return name


def closest(name: str) -> str:
    """Give the words that offer the format closest to a misspelled one, or none."""
    found = difflib.get_close_matches(name, FORMATS, n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def needs_calibration(model: keras.Model, name: str) -> bool:
    """Whether a format takes ranges from images; a fake-quantized twin brings its own. ValueError where it has no such.

    A twin is a SavedModel or int8: in the others its rounding would be no more than noise.
    """
    if not is_twin(model):
        return FORMATS[name].calibrated
    if not FORMATS[name].rounded:
        fitting = [key for key, row in FORMATS.items() if row.rounded]
        raise ValueError(f"a fake-quantized model is exported as one of {fitting}. Received: {name!r}")
    return False


def check_io(io: str, name: str) -> str:
    """Give the type of input and output back, or raise ValueError where the format does not have it."""
    if io not in FORMATS[name].io:
        raise ValueError(f"io must be one of {FORMATS[name].io} for {name}. Received: {io!r}")
    return io


def check_batch(batch: int | None, name: str) -> int | None:
    """Give a fixed batch back, or raise ValueError where it is none, or the format has a batch of its own."""
    if batch is not None and (name != "saved_model" or batch < 1):
        raise ValueError(f"batch must be at least 1, and is for saved_model alone. Received: {batch} for {name}")
    return batch


def options_for(names: Sequence[str], request: Request) -> dict[str, Options]:
    """Give each format's options; raises ValueError for a type, a batch, ranges or runtimes that none of them takes."""
    io, batch = request.io, request.batch
    takers = {name for name in names if io in FORMATS[name].io}
    if not takers:
        allowed = sorted({each for name in names for each in FORMATS[name].io})
        raise ValueError(f"io must be one of {allowed} for these formats. Received: {io!r}")
    if batch is not None:
        check_batch(batch, "saved_model" if "saved_model" in names else names[0])
    if request.how != PostTraining() and "int8" not in names:
        raise ValueError(f"ranges and what goes with them are for int8 alone. Received: {', '.join(names)}")
    if request.platforms is not None and not any(FORMATS[name].tflite for name in names):
        raise ValueError(f"runtimes and a target runtime are for TFLite files alone. Received: {', '.join(names)}")
    types = {name: io if name in takers else "float32" for name in names}
    return {
        name: Options(
            io=types[name],
            batch=batch if name == "saved_model" else None,
            pixels=chosen(request.pixels, types[name]),
        )
        for name in names
    }


def check_path(path: str | Path, name: str) -> None:
    """Raise an OSError before the long work when `path` cannot be written, or holds what no export may replace."""
    path = Path(path)
    if not path.parent.is_dir():
        raise NotADirectoryError(f"an artifact needs an existing directory. Received: {path.parent}")
    _check_writable(path.parent)
    if name != "saved_model" and path.is_dir():
        raise IsADirectoryError(f"a file cannot replace a directory. Received: {path}")
    if name == "saved_model" and path.exists() and not (path / "saved_model.pb").is_file():
        raise FileExistsError(f"a SavedModel replaces a SavedModel alone. Received: {path}")


def check_directory(directory: Path) -> None:
    """Raise an OSError before the long work when `directory` is neither there nor can be made."""
    nearest = next(parent for parent in (directory, *directory.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"an artifact needs a directory. Received: {directory}, where {nearest} is a file")
    _check_writable(nearest)


def places(directory: Path, names: Sequence[str], *, name: str) -> dict[str, Path]:
    """Give each format's `<directory>/<name><suffix>`, or raise an OSError before the long work, as `check_path`."""
    paths = {key: directory / f"{name}{FORMATS[check_format(key)].suffix}" for key in names}
    if not directory.is_dir():
        check_directory(directory)
        return paths
    for key, path in paths.items():
        check_path(path, key)
    return paths


def _check_writable(directory: Path) -> None:
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"an artifact needs a directory that can be written. Received: {directory}")
