"""Sources of labelled images, and the pipelines that feed training, evaluation and calibration from them."""

from pathlib import Path

from kres.training.data.arrays import arrays
from kres.training.data.pipeline import evaluation_images, sample_images, training_batches
from kres.training.data.source import Source, Split, check_policy, checked

__all__ = ["Source", "Split", "arrays", "evaluation_images", "load", "sample_images", "training_batches"]


def load(data: str | Path | Source, *, on_corrupt: str = "fail") -> Source:
    """The source that `data` names ("digits", an image folder, a TFDS directory or a TFDS name) or is.

    Raises ValueError when there is no such source, when it is empty, when a label is out of range, and (unless
    `on_corrupt` is "skip") when an image cannot be decoded.
    """
    check_policy(on_corrupt)
    if isinstance(data, Source):
        return data
    if data == "digits":
        from kres.training.data.digits import digits

        return digits()
    return checked(_open(data), on_corrupt=on_corrupt)


def _open(data: str | Path) -> Source:
    # tensorflow_datasets takes seconds to import, so only the sources that need it do.
    path = Path(data).expanduser()
    if path.is_dir():
        prepared = _prepared(path)
        if prepared is None:
            from kres.training.data.folder import folder

            return folder(path)
        from kres.training.data.tfds import from_directory

        return from_directory(prepared)
    if isinstance(data, Path) or path.exists() or "\\" in data or data.startswith((".", "/", "~")):
        raise ValueError(f"a data source that is a path must be a directory. Received: data={str(data)!r}")
    from kres.training.data.tfds import from_name

    return from_name(data)


def _prepared(path: Path) -> Path | None:
    """`path`, or the newest version below it, where TFDS prepared a data set; ValueError when one lies deeper."""
    found = [file.parent for file in (*path.glob("dataset_info.json"), *path.glob("*/dataset_info.json"))]
    if not found and any(path.glob("*/*/dataset_info.json")):
        raise ValueError(
            "a TFDS directory holds dataset_info.json, itself or in its version folders. "
            f"Received: data={str(path)!r}, where it lies deeper"
        )
    return max(found, key=_version, default=None)


def _version(path: Path) -> tuple[int, ...]:
    parts = path.name.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
