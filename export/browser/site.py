"""A static web page that runs a TFLite file in the visitor's browser, by LiteRT.js: no server sees a picture."""

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kres
from kres.export.beside import preprocess_beside
from kres.export.browser import litert_js
from kres.export.browser.kinds import check_kind
from kres.export.conversion.pixels import preprocess_of
from kres.export.files import metadata
from kres.export.files.errors import ArtifactError
from kres.export.files.inspection import inspect
from kres.export.files.normalisation import Normalisation
from kres.export.proof.comparison import is_probability, measure
from kres.export.proof.reports import Reference
from kres.export.proof.verification import reference
from kres.export.runtimes.session import Session, opened
from kres.preprocessing import Preprocess
from kres.writing import folder_atomically

SOURCES = Path(__file__).with_name("web")
ARTIFACT, FACTS, LABELS, LITERT = "model.tflite", "page.json", "labels.txt", "litert"
DTYPES = ("float32", "int8", "uint8")
PROBES, PATCHES = 16, 4
NOTES = {"int16x8": "XNNPACK has no kernels for 16-bit activations: many times slower than a float32 file."}
"""What a person who sees the page should know of a format."""
# Forgotten weights show: two networks' answers are mostly near 0, an int8 file's and its model's 0.97. `verify` judges.
LEAST_COSINE = 0.8


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the page's JavaScript knows of the file: tensors as its interpreter describes them, and what goes in.

    `preprocess` says how a picture becomes a square, `pixels` whether that goes in raw or normalised, `probabilities`
    whether the answers are those of a softmax or logits, `note` what a person should know of the format, or nothing.
    """

    title: str
    file: str
    bytes: int
    format: str
    input: dict[str, Any]
    output: dict[str, Any]
    preprocess: dict[str, Any]
    pixels: bool
    probabilities: bool
    note: str
    kres: str = kres.__version__


def web_page(
    model: keras.Model,
    path: str | Path,
    output: str | Path,
    *,
    labels: Sequence[str] | None = None,
    litert: str | Path | None = None,
    preprocess: Preprocess | None = None,
    pixels: bool | None = None,
) -> Path:
    """Write a folder with a page that classifies pictures by the TFLite file at `path`, and give it back.

    The page needs no network: `model` is what the file was exported from, `labels` the names of its classes (by default
    those that the file's metadata name, else numbers), `litert` a `node_modules` folder with LiteRT.js (by default
    `litert_js.fetch`'s). It resizes, crops and normalises as `preprocess` says, else as the model does, else as the
    JSON beside the file. Whether raw pixels go in the file's metadata say; where they do not, `pixels`. A page at
    `output` is replaced, any other folder refused.

    Raises ArtifactError for a file that a browser cannot classify by or that is not the model's, ValueError for labels
    of another number and where the preprocessing is unknown or another than the file's metadata say, OSError for a
    place that cannot be written, and what `litert_js.fetch` raises.
    """
    path, output = Path(path), Path(output).absolute()
    check_output(output)
    check_kind(path)
    runtime = litert_js.fetch() if litert is None else litert_js.check(Path(litert))
    facts = describe(model, path, preprocess, pixels=pixels)
    names = _checked_labels(metadata.labels(path) if labels is None else labels, facts.output["shape"][-1])
    with folder_atomically(output) as new:
        for source in _sources():
            shutil.copyfile(source, new / source.name)
        shutil.copyfile(path, new / ARTIFACT)
        (new / LABELS).write_text("\n".join(names), encoding="utf-8")
        (new / FACTS).write_text(json.dumps(dataclasses.asdict(facts), indent=2) + "\n", encoding="utf-8")
        for name in litert_js.needed_files():
            target = new / LITERT / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(runtime / name, target)
    return output


def describe(
    model: keras.Model, path: Path, preprocess: Preprocess | None = None, *, pixels: bool | None = None
) -> Facts:
    """Find out what the page must know of a file, by running it beside its Keras model; errors as `web_page`."""
    _check_graph(path)
    preprocess = _known(preprocess or preprocess_of(model) or preprocess_beside(path), path)
    _check_normalisation(preprocess, path)
    with opened(path) as session:
        _check_tensors(session, model, preprocess, path)
        pixels = _takes_pixels(path, pixels)
        pictures = _pictures(preprocess.size)
        expected = reference(model, np.asarray(preprocess(pictures)))
        _check_answers(session, pictures.astype(np.float32) if pixels else expected.images, expected, path)
        format_name = inspect(path).format
        return Facts(
            title=path.name.removesuffix(".tflite"),
            file=ARTIFACT,
            bytes=path.stat().st_size,
            format=format_name,
            input=session.input,
            output=session.output,
            preprocess={**preprocess.to_dict(), "shorter": preprocess.shorter_side},
            pixels=pixels,
            probabilities=is_probability(expected.outputs),
            note=NOTES.get(format_name, ""),
        )


def check_output(output: Path) -> None:
    """Raise an OSError where a page cannot be written, or where it would replace what is no page of kres's."""
    parent = output.absolute().parent
    if not parent.is_dir():
        raise NotADirectoryError(f"a page needs an existing directory to lie in. Received: {parent}")
    if not os.access(parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"a page needs a directory that can be written. Received: {parent}")
    if not output.exists():
        return
    own = {ARTIFACT, FACTS, LABELS, LITERT, *(source.name for source in _sources())}
    found = {entry.name for entry in output.iterdir()} if output.is_dir() else {""}
    # Any folder may hold a labels.txt; a page.json makes it a page.
    if others := sorted(found - own if FACTS in found else found):
        received = f"{output}, which holds {others[0]}" if others[0] else output
        raise FileExistsError(f"a page replaces a page or an empty folder alone. Received: {received}")


def _sources() -> list[Path]:
    return sorted(path for path in SOURCES.iterdir() if path.is_file())


def _checked_labels(labels: Sequence[str] | None, classes: int) -> list[str]:
    if labels is None:
        return [str(index) for index in range(classes)]
    if len(labels) != classes:
        raise ValueError(f"labels must name {classes} classes, one each. Received: {len(labels)} labels")
    return [" ".join(label.split()) for label in labels]


def _check_graph(path: Path) -> None:
    """Raise ArtifactError for a damaged file, and for one whose shapes are not all fixed, which LiteRT.js refuses."""
    from ai_edge_litert import schema_py_generated as schema

    inspect(path)
    graph = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0).subgraphs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        received = f"{len(graph.inputs)} and {len(graph.outputs)}"
        raise ArtifactError(f"the page shows classes: one input and one output. Received: {received} in {path}")
    for index in (*graph.inputs, *graph.outputs):
        signature = graph.tensors[index].shapeSignature
        if signature is not None and -1 in signature:
            raise ArtifactError(
                "LiteRT.js takes files of fixed shapes alone: export with kres, which fixes the batch at 1. "
                f"Received: {path} with shape {tuple(map(int, signature))}"
            )


def _check_tensors(session: Session, model: keras.Model, preprocess: Preprocess, path: Path) -> None:
    size = preprocess.size
    for tensor, expected in ((session.input, (1, size, size, 3)), (session.output, (1, model.output_shape[-1]))):
        if tuple(tensor["shape"]) != expected or tensor["dtype"] not in DTYPES:
            received = f"{tuple(tensor['shape'])} of {tensor['dtype']}"
            raise ArtifactError(
                f"the page classifies RGB pictures as the Keras model does: {tensor['name']} must be {expected} of "
                f"{', '.join(DTYPES)}. Received: {received} in {path}"
            )


def _pictures(size: int) -> np.ndarray:
    """Pictures (16, size, size, 3) of 4 by 4 seeded colours: as unlike as photographs, where noise is all alike."""
    colours = np.random.default_rng(0).integers(0, 256, (PROBES, PATCHES, PATCHES, 3), np.uint8)
    place = np.arange(size) * PATCHES // size
    return colours[:, place][:, :, place]


def _known(preprocess: Preprocess | None, path: Path) -> Preprocess:
    if preprocess is None:
        raise ValueError(
            "neither the model, which kres.build did not make, nor a JSON beside the file says how pictures become "
            "inputs: pass preprocess=kres.Preprocess(...), or --preprocess on the command line. "
            f"Received: preprocess=None for {path}"
        )
    return preprocess


def _takes_pixels(path: Path, given: bool | None) -> bool:
    """Whether raw pixels go in, as the file's metadata say; only where they do not, as the caller says."""
    said = metadata.normalisation(path)
    told = None if said is None else said.raw
    if told is None and given is None:
        raise ValueError(
            "the file has no metadata that say whether it takes raw pixels 0..255 or normalised ones: pass pixels=True "
            f"or False, or --pixels or --no-pixels on the command line. Received: pixels=None for {path}"
        )
    if told is not None and given not in (None, told):
        raise ValueError(f"the file's metadata say pixels={told}. Received: pixels={given} for {path}")
    return bool(given if told is None else told)


def _check_normalisation(preprocess: Preprocess, path: Path) -> None:
    """Raise ValueError where the file's metadata say another normalisation than the page would do."""
    said, own = metadata.normalisation(path), Normalisation.of(preprocess)
    if said is None or said.raw:
        return
    count = len(preprocess.mean)
    ours, theirs = ([np.resize(values, count) for values in (each.mean, each.std)] for each in (own, said))
    if not np.allclose(ours, theirs, rtol=1e-4, atol=1e-3):
        raise ValueError(
            f"the file's metadata say another normalisation than the preprocessing does. File: {said} "
            f"Preprocessing: {own} Received: {path}"
        )


def _check_answers(session: Session, images: np.ndarray, expected: Reference, path: Path) -> None:
    """Raise ArtifactError where the file answers otherwise than the Keras model."""
    answers = np.stack([session.answer(image) for image in images])
    cosine = measure(expected, answers, logits=False)["cosine"]
    if cosine < LEAST_COSINE:
        raise ArtifactError(
            "the page prepares pictures as the model that the file was exported from, and this one answers otherwise "
            f"(mean cosine {cosine:.2f}): name that model, with its weights. Received: {path}"
        )
