"""The JSON beside an artifact: what an application must know to use it, and what its verification found."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import keras

import kres
from kres.export.about import About
from kres.export.files.interfaces import interface
from kres.export.files.normalisation import Normalisation
from kres.export.proof.reports import Report

SUFFIX = ".json"


def path_of(artifact: Path) -> Path:
    """Give the place of an artifact's sidecar: `model.int8.tflite.json` for `model.int8.tflite`."""
    return artifact.with_name(artifact.name + SUFFIX)


def describe(
    artifact: Path, report: Report, about: About, normalisation: Normalisation | None, *, probabilities: bool
) -> dict[str, Any]:
    """Describe the artifact that lies at `artifact` as JSON holds it; `report` names it by its final path."""
    import tensorflow as tf

    tensors = interface(artifact)
    image = {"layout": "NHWC", **_meaning(normalisation, channels=tensors.inputs[0].shape[-1])}
    answer = (
        {"meaning": "probabilities", "value_range": [0.0, 1.0]}
        if probabilities and len(tensors.outputs) == 1
        else {"meaning": "values"}
    )
    known = {key: value for key, value in dataclasses.asdict(about).items() if value and key != "class_names"}
    return {
        "artifact": Path(report.path).name,
        "format": report.format,
        "size_bytes": report.size_bytes,
        "sha256": sha256(artifact),
        **known,
        "inputs": [{**dataclasses.asdict(tensor), **image} for tensor in tensors.inputs],
        "outputs": [{**dataclasses.asdict(tensor), **answer} for tensor in tensors.outputs],
        "labels": None if about.class_names is None else list(about.class_names),
        "versions": {"kres": kres.__version__, "keras": keras.__version__, "tensorflow": tf.__version__},
        "verification": {key: value for key, value in dataclasses.asdict(report).items() if key != "path"},
    }


def write(value: dict[str, Any], directory: Path) -> Path:
    """Write a value as JSON to a file in `directory`, which then only needs its name."""
    path = directory / "sidecar.json"
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return path


def _meaning(normalisation: Normalisation | None, *, channels: int) -> dict[str, Any]:
    if normalisation is None:
        return {"normalisation": None}
    return {
        "channels": normalisation.order.upper() if channels == 3 else None,
        "value_range": [normalisation.low, normalisation.high],
        "normalisation": {"of": "(grey - mean) / std", "mean": normalisation.mean, "std": normalisation.std},
    }


def sha256(path: Path) -> str:
    """Give the hash of a file; of a directory, that of the lines `<hash>  <relative path>` of its files, sorted."""
    if path.is_dir():
        files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        lines = "".join(f"{sha256(path / name)}  {name}\n" for name in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
