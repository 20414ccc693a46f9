"""What a TFLite file says about itself: its format and its operators, read from the flatbuffer without running it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kres.export.flatbuffer import operator_name, unpack
from kres.export.session import ArtifactError

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Format, number of nodes an operator, and the operators' versions, which say what runtime a file needs."""

    format: str
    operators: Counter[str]
    versions: dict[str, int]


def artifact_format(path: str | Path) -> str:
    """Name an artifact's format from what it holds, not from its name; raises ArtifactError for a foreign one."""
    path = Path(path)
    if not path.exists():
        raise ArtifactError(f"no such artifact. Received: {path}")
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise ArtifactError(f"a directory is an artifact when it holds a saved_model.pb. Received: {path}")
    return inspect(path).format


def inspect(path: str | Path) -> Inspection:
    """Read format and operators of a TFLite file; raises ArtifactError when it is damaged or is no TFLite file."""
    content = Path(path).read_bytes()
    if content[4:8] != b"TFL3":
        raise ArtifactError(f"a TFLite file carries the mark TFL3, and this one does not. Received: {path}")
    try:
        model = unpack(content)
        graph = model.subgraphs[0]
        codes = [operator_name(code) for code in model.operatorCodes]
        result = Inspection(
            format=_format(model, graph),
            operators=Counter(codes[node.opcodeIndex] for node in graph.operators),
            versions={name: code.version for name, code in zip(codes, model.operatorCodes, strict=True)},
        )
    # Offsets of damaged bytes lead anywhere, so the flatbuffer reader fails in many ways.
    except Exception as error:
        raise ArtifactError(f"a damaged TFLite file: {error}. Received: {path}") from error
    if result.format == UNKNOWN:
        raise ArtifactError(f"a TFLite file with int16 activations is of no format that kres knows. Received: {path}")
    return result


def size(path: str | Path) -> int:
    """Give the bytes of a file, or of all files of a directory."""
    path = Path(path)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _format(model: Any, graph: Any) -> str:
    from ai_edge_litert.schema_py_generated import TensorType

    constants: set[int] = set()
    activations: set[int] = set()
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        (activations if data is None or len(data) == 0 else constants).add(tensor.type)
    if TensorType.INT16 in activations:
        return UNKNOWN
    if TensorType.INT8 in activations:
        return "int8"
    if TensorType.INT8 in constants:
        return "dynamic"
    return "float16" if TensorType.FLOAT16 in constants else "float32"
