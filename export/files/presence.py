"""Whether an artifact is there at all, told without Keras, so that a command can refuse at once."""

from pathlib import Path

from kres.export.files.errors import ArtifactError
from kres.export.naming import previous_name


def check_there(path: Path) -> None:
    """Raise ArtifactError for a path where nothing is, and for a directory that is no SavedModel."""
    if not path.exists():
        kept = previous_name(path)
        words = f", and an earlier export's is kept as {kept.name}" if kept.exists() else ""
        raise ArtifactError(f"no such artifact{words}. Received: {path}")
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        raise ArtifactError(
            "an artifact is a .tflite or .onnx file, or a SavedModel: a directory that holds a saved_model.pb. "
            f"Received: {path}, a directory without one"
        )
