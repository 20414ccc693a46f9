"""What lies at a path that a page is asked to run, a TFLite file or something else, told without Keras."""

from pathlib import Path

from kres.export.files.errors import ArtifactError
from kres.export.naming import previous_name

PLACES = ("*.tflite", "export/*.tflite")
"""Where a directory, be it of artifacts or a workdir, has TFLite files."""


def check_kind(path: Path) -> None:
    """Raise ArtifactError for what is no TFLite file, and say what it is instead."""
    if found := _other_kind(path):
        raise ArtifactError(f"a page runs a TFLite file, as kres export writes them. Received: {path}, {found}")


def _other_kind(path: Path) -> str:
    """What lies at a path that is no TFLite file, in words; empty for one."""
    if not path.exists():
        kept = previous_name(path)
        return "which is not there" + (f"; an earlier export's is kept as {kept.name}" if kept.exists() else "")
    return _directory(path) if path.is_dir() else _file(path)


def _directory(path: Path) -> str:
    if (path / "saved_model.pb").is_file():
        return "a SavedModel"
    held = sorted(str(file.relative_to(path)) for place in PLACES for file in path.glob(place))
    return f"a directory; it holds {', '.join(held)}" if held else "a directory"


def _file(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] == b"TFL3":
        return ""
    if path.suffix == ".keras":
        return f"a Keras model, of which `kres export {path} --format int8` makes one"
    if not head:
        return "an empty file"
    from kres.export.runner import is_onnx

    return "an ONNX file" if is_onnx(head) else "a file without TFLite's mark, TFL3"
