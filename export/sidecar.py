"""The JSON beside an artifact: what an application must know to use it, and what its verification found."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras

import kres
from kres.export.about import About
from kres.export.beside import SCHEMA, sha256
from kres.export.files.errors import ArtifactError
from kres.export.files.interfaces import Interface, interface
from kres.export.files.normalisation import RAW, Normalisation
from kres.export.proof.reports import Report
from kres.preprocessing import Preprocess


def describe(
    report: Report,
    about: About,
    *,
    artifact: Path | None,
    preprocess: Preprocess | None,
    pixels: bool,
    probabilities: bool,
) -> dict[str, Any]:
    """Describe an artifact as JSON holds it, with the same keys whether it passed, was rejected or was never made.

    `artifact` is where the file lies now, None where there is none: then its name, size, hash and tensors are None.
    `report` names it by its final path and says whether it passed. `preprocess` is how pictures become the Keras
    model's input, where that is known, and `pixels` whether the file takes raw grey levels and does its arithmetic
    itself: `preprocess` stands there whole, and each input's `normalisation` is what is left to the application.
    """
    import tensorflow as tf

    tensors = _tensors(artifact, report)
    known = {key: value for key, value in dataclasses.asdict(about).items() if value and key != "class_names"}
    return {
        "schema": SCHEMA,
        "artifact": None if report.path is None else Path(report.path).name,
        "format": report.format,
        "passed": report.passed,
        "reason": report.reason,
        "size_bytes": report.size_bytes,
        "sha256": None if artifact is None else sha256(artifact),
        **known,
        "preprocess": None if preprocess is None else preprocess.to_dict(),
        "inputs": None if tensors is None else _inputs(tensors, preprocess, pixels=pixels),
        "outputs": None if tensors is None else _outputs(tensors, probabilities=probabilities),
        "labels": None if about.class_names is None else list(about.class_names),
        "versions": {"kres": kres.__version__, "keras": keras.__version__, "tensorflow": tf.__version__},
        "verification": {key: value for key, value in dataclasses.asdict(report).items() if key != "path"},
    }


def write(value: dict[str, Any], directory: Path) -> Path:
    """Write a value as JSON to a file in `directory`, which then only needs its name."""
    path = directory / "sidecar.json"
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return path


def _tensors(artifact: Path | None, report: Report) -> Interface | None:
    """An artifact's tensors; one that was rejected may be too damaged to tell them."""
    if artifact is None:
        return None
    try:
        return interface(artifact)
    except ArtifactError:
        if report.passed:
            raise
        return None


def _inputs(tensors: Interface, preprocess: Preprocess | None, *, pixels: bool) -> list[dict[str, Any]]:
    known = None if preprocess is None else Normalisation.of(preprocess)
    normalisation = RAW if pixels else known
    shared = {"layout": "NHWC", "raw_pixels": pixels}
    return [
        {**dataclasses.asdict(tensor), **shared, **_meaning(normalisation, channels=tensor.shape[-1])}
        for tensor in tensors.inputs
    ]


def _outputs(tensors: Interface, *, probabilities: bool) -> list[dict[str, Any]]:
    sure = probabilities and len(tensors.outputs) == 1
    answer = {"meaning": "probabilities", "value_range": [0.0, 1.0]} if sure else {"meaning": "values"}
    return [{**dataclasses.asdict(tensor), **answer} for tensor in tensors.outputs]


def _meaning(normalisation: Normalisation | None, *, channels: int) -> dict[str, Any]:
    if normalisation is None:
        return {"channels": None, "value_range": None, "normalisation": None}
    return {
        "channels": normalisation.order.upper() if channels == 3 else None,
        "value_range": [normalisation.low, normalisation.high],
        "normalisation": {"of": "(grey - mean) / std", "mean": normalisation.mean, "std": normalisation.std},
    }
