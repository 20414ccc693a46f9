"""What a TFLite file says about itself: its format and its operators, read from the flatbuffer without running it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from kres.export.session import ArtifactError

UNKNOWN = "unknown"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Format, number of nodes an operator, and the operators' highest versions, which say what runtime a file needs."""

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
    result = _read(path, _inspection)
    if result.format == UNKNOWN:
        raise ArtifactError(f"a TFLite file with int16 activations is of no format that kres knows. Received: {path}")
    return result


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """What an operator computes: the tensor's index in the file, its name and shape, and whether it leaves the file."""

    index: int
    name: str
    shape: tuple[int, ...]
    is_output: bool


def operator_outputs(path: str | Path) -> list[Tensor]:
    """Give the tensors that the operators of a TFLite file compute; raises ArtifactError when it is damaged."""
    return _read(path, _computed)


def size(path: str | Path) -> int:
    """Give the bytes of a file, or of all files of a directory."""
    path = Path(path)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _read(path: str | Path, see: Callable[[Any], T]) -> T:
    from ai_edge_litert import schema_py_generated as schema

    content = Path(path).read_bytes()
    if content[4:8] != b"TFL3":
        raise ArtifactError(f"a TFLite file carries the mark TFL3, and this one does not. Received: {path}")
    try:
        return see(schema.ModelT.InitFromPackedBuf(content, 0))
    # Offsets of damaged bytes lead anywhere, so the flatbuffer reader fails in many ways.
    except Exception as error:
        raise ArtifactError(f"a damaged TFLite file: {error}. Received: {path}") from error


def _inspection(model: Any) -> Inspection:
    graph = model.subgraphs[0]
    codes = [_operator(code) for code in model.operatorCodes]
    return Inspection(
        format=_format(model, graph),
        operators=Counter(codes[node.opcodeIndex] for node in graph.operators),
        versions=_versions(codes, model.operatorCodes),
    )


def _computed(model: Any) -> list[Tensor]:
    graph = model.subgraphs[0]
    return [
        Tensor(
            index=int(index),
            name=graph.tensors[index].name.decode(),
            shape=tuple(map(int, graph.tensors[index].shape)),
            is_output=index in graph.outputs,
        )
        for node in graph.operators
        for index in node.outputs
    ]


def _versions(names: list[str], codes: list[Any]) -> dict[str, int]:
    # A file may hold an operator in several versions; the highest decides what runtime it needs.
    versions: dict[str, int] = {}
    for name, code in zip(names, codes, strict=True):
        versions[name] = max(code.version, versions.get(name, 0))
    return versions


@cache
def _names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def _operator(code: Any) -> str:
    # Codes below 127 stand in the older field, and an older writer fills that one alone.
    return code.customCode.decode() if code.customCode else _names()[max(code.builtinCode, code.deprecatedBuiltinCode)]


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
