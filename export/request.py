"""What an export is asked for: everything that can be refused is refused here, before the long work begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from kres.choices import listed
from kres.export.about import About
from kres.export.choosing import check_format, check_io
from kres.export.conversion.pixels import chosen
from kres.export.destinations import check_directory, check_path
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


def needs_calibration(model: keras.Model, name: str) -> bool:
    """Whether a format takes ranges from images; a fake-quantized twin brings its own. ValueError where it has no such.

    A twin is a SavedModel or int8: in the others its rounding would be no more than noise.
    """
    if not is_twin(model):
        return FORMATS[name].calibrated
    if not FORMATS[name].rounded:
        fitting = [key for key, row in FORMATS.items() if row.rounded]
        raise ValueError(f"a fake-quantized model is exported as {listed(fitting)}. Received: {name!r}")
    return False


def check_batch(batch: int | None, name: str) -> int | None:
    """Give a fixed batch back, or raise ValueError where it is none, or the format has a batch of its own."""
    if batch is not None and (name != "saved_model" or batch < 1):
        raise ValueError(f"batch must be at least 1, and is for saved_model alone. Received: batch={batch} for {name}")
    return batch


def options_for(names: Sequence[str], request: Request) -> dict[str, Options]:
    """Give each format's options; raises ValueError for a type, a batch, ranges or runtimes that none of them takes."""
    io, batch = check_io(request.io, names), request.batch
    takers = {name for name in names if io in FORMATS[name].io}
    if batch is not None:
        check_batch(batch, "saved_model" if "saved_model" in names else names[0])
    if (given := request.how.given()) and "int8" not in names:
        told = f"{listed(given, 'and')} {'is' if len(given) == 1 else 'are'} for int8 alone"
        raise ValueError(f"{told}. Received: formats {listed(names, 'and')}")
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


def places(directory: Path, names: Sequence[str], *, name: str) -> dict[str, Path]:
    """Give each format's `<directory>/<name><suffix>`, or raise an OSError before the long work, as `check_path`.

    Raises ValueError for no formats, and for what is none.
    """
    if not names:
        raise ValueError(f"formats must name at least one of {listed(list(FORMATS))}. Received: formats={names!r}")
    paths = {key: directory / f"{name}{FORMATS[check_format(key)].suffix}" for key in names}
    if not directory.is_dir():
        check_directory(directory)
        return paths
    for key, path in paths.items():
        check_path(path, key)
    return paths
