"""TFLite Metadata: what a file's input and output mean, its labels and who made it, packed into the file itself.

The format is the public schema `metadata_schema.fbs` (identifier M001, version 1.5.0), which MediaPipe Tasks and
Android's tools read; associated files follow the flatbuffer as an uncompressed zip.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kres.export.about import LABELS, About
from kres.export.files import flatbuffer, tables
from kres.export.files.errors import ArtifactError
from kres.export.files.normalisation import Normalisation

NAME = "TFLITE_METADATA"
IDENTIFIER = b"M001"
# The oldest parser that knows all that is written here.
PARSER = "1.0.0"

# Values of the schema's enumerations and unions.
AXIS_LABELS = np.uint8(2)
RGB = np.uint8(1)
FEATURE, IMAGE = np.uint8(1), np.uint8(2)
NORMALIZATION = np.uint8(1)


def is_tflite(path: Path) -> bool:
    """Say whether a path is a file with the mark of TFLite."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8)[4:] == b"TFL3"


def pack(path: Path, about: About, normalisation: Normalisation | None, *, probabilities: bool) -> None:
    """Put metadata into the TFLite file at `path`; weights keep the alignment that interpreters expect."""
    from ai_edge_litert import schema_py_generated as schema

    model = flatbuffer.unpack(path.read_bytes())
    content = _model(model.subgraphs[0], about, normalisation, probabilities=probabilities)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(tables.pack(content, IDENTIFIER), np.uint8)
    entry.name, entry.buffer = NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    path.write_bytes(flatbuffer.pack(model) + _zipped(about))


def _zipped(about: About) -> bytes:
    if about.class_names is None:
        return b""
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        # With a date of its own, the same model would give other bytes every day.
        archive.writestr(zipfile.ZipInfo(LABELS), about.labels)
    return result.getvalue()


def _model(graph: Any, about: About, normalisation: Normalisation | None, *, probabilities: bool) -> tables.Table:
    """The table ModelMetadata."""
    source, targets = graph.tensors[graph.inputs[0]], [graph.tensors[index] for index in graph.outputs]
    words = " ".join(filter(None, (about.description, _caveat(source, normalisation))))
    subgraph = {
        2: [_input(source, normalisation)],
        3: [_output(target, about, probabilities=probabilities and len(targets) == 1) for target in targets],
    }
    texts = {0: about.name, 1: words, 2: about.version, 4: about.author, 5: about.licence, 7: PARSER}
    return {**{field: text for field, text in texts.items() if text}, 3: [subgraph]}


def _input(tensor: Any, normalisation: Normalisation | None) -> tables.Table:
    """The table TensorMetadata of an image (1, h, w, c)."""
    height, width = (np.uint32(size) for size in tensor.shape[1:3])
    properties: tables.Table = {1: {0: width, 1: height}}
    result: tables.Table = {0: "image", 3: {0: IMAGE, 1: properties}}
    if normalisation is None:
        return {**result, 1: "Normalised pixels, as the network was trained on."}
    if normalisation.order == "rgb" and tensor.shape[3] == 3:
        properties[0] = RGB
    options = {0: np.array(normalisation.mean), 1: np.array(normalisation.std)}
    stats = {0: np.array([normalisation.high]), 1: np.array([normalisation.low])}
    return {**result, 1: str(normalisation), 4: [{0: NORMALIZATION, 1: options}], 5: stats}


def _output(tensor: Any, about: About, *, probabilities: bool) -> tables.Table:
    """The table TensorMetadata of what the network answers."""
    result: tables.Table = {3: {0: FEATURE, 1: {}}}
    if probabilities:
        stats = {0: np.array([1.0]), 1: np.array([0.0])}
        result |= {0: "probability", 1: "Probability of each class.", 5: stats}
    else:
        result |= {0: "output", 1: "What the network puts out."}
    if about.class_names is not None and tensor.shape[-1] == len(about.class_names):
        result[6] = [{0: LABELS, 1: "Names of the classes, one a line.", 2: AXIS_LABELS}]
    return result


def _caveat(tensor: Any, normalisation: Normalisation | None) -> str:
    """Say why MediaPipe Tasks cannot feed this input, if it cannot."""
    from ai_edge_litert.schema_py_generated import TensorType

    if tensor.type not in (TensorType.FLOAT32, TensorType.UINT8) or tensor.shape[3] != 3:
        return "MediaPipe Tasks takes float32 and uint8 pictures of three channels alone, so not this file."
    # It hands bytes to a uint8 input as they are, and normalises for float32, all channels alike.
    alike = normalisation if normalisation is not None and normalisation.uniform else None
    if alike is not None and (alike.raw or tensor.type == TensorType.FLOAT32):
        return ""
    return "MediaPipe Tasks cannot normalise as this file needs it: export it with raw pixels as input."


def takes_pixels(path: Path) -> bool:
    """Say whether the metadata of a TFLite file call its input grey levels; without metadata it is none.

    Errors as `normalisation`.
    """
    said = normalisation(path)
    return said is not None and said.raw


def normalisation(path: Path) -> Normalisation | None:
    """Give how grey levels become a TFLite file's input, as its metadata tell it (but for the order of channels).

    None where they do not tell. Raises ArtifactError when the metadata are damaged, or files that they name are not
    there.
    """
    graph = _subgraph(path)
    with _damage_told(path):
        inputs = [] if graph is None else graph.tables(2)[0].tables(4)
        units = [unit.table(1) for unit in inputs if unit.byte(0) == NORMALIZATION]
        found = [Normalisation(mean=unit.floats(0), std=unit.floats(1)) for unit in units if unit is not None]
    return found[0] if found else None


def labels(path: Path) -> tuple[str, ...] | None:
    """Give the names of the classes that a TFLite file of one output holds, or None; errors as `normalisation`."""
    graph = _subgraph(path)
    with _damage_told(path):
        outputs = [] if graph is None else graph.tables(3)
        files = [file.text(0) for output in outputs for file in output.tables(6) if file.byte(2) == AXIS_LABELS]
        if len(outputs) != 1 or not files:
            return None
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.read(files[0]).decode().splitlines())


def _subgraph(path: Path) -> tables.Reader | None:
    """The table SubGraphMetadata of a file's metadata, or None where it has none."""
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    with _damage_told(path):
        model = schema.Model.GetRootAs(content, 0)
        entries = [model.Metadata(index) for index in range(model.MetadataLength())]
        buffers = [entry.Buffer() for entry in entries if entry.Name() == NAME.encode()]
        if not buffers:
            return None
        graph = tables.Reader(model.Buffers(buffers[0]).DataAsNumpy().tobytes()).tables(3)[0]
        _check_files(content, graph)
        return graph


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    # Offsets of damaged bytes lead anywhere, so the flatbuffer reader fails in many ways.
    except Exception as error:
        raise ArtifactError(f"a TFLite file with damaged metadata: {error}. Received: {path}") from error


def _check_files(content: bytes, graph: tables.Reader) -> None:
    wanted = {file.text(0) for tensor in graph.tables(3) for file in tensor.tables(6)}
    if not wanted:
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if missing := wanted - set(archive.namelist()):
            raise ValueError(f"it names files that it does not hold: {', '.join(sorted(missing))}")
