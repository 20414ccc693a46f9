"""What a TFLite or ONNX file says about itself: its format and operators, read from its bytes without running it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kres.export.extras import require
from kres.export.files.errors import ArtifactError
from kres.export.files.flatbuffer import is_constant, operator_name, unpack
from kres.export.files.presence import check_there
from kres.export.runner import is_onnx

UNKNOWN = "unknown"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Format, number of nodes an operator, and the operators' versions, which say what runtime a file needs."""

    format: str
    operators: Counter[str]
    versions: dict[str, int]


def artifact_format(path: str | Path) -> str:
    """Name an artifact's format from what it holds, not from its name; raises ArtifactError for a foreign one."""
    path = Path(path)
    check_there(path)
    return "saved_model" if path.is_dir() else inspect(path).format


def inspect(path: str | Path) -> Inspection:
    """Read format and operators of a TFLite or ONNX file; raises ArtifactError when it is damaged or is neither.

    Raises MissingExtraError for an ONNX file where the packages that read it are not installed.
    """
    with Path(path).open("rb") as file:
        head = file.read(4)
    if is_onnx(head):
        return _inspect_onnx(path)
    result = _read(path, _inspection)
    if result.format == UNKNOWN:
        raise ArtifactError(f"int16 activations without int8 weights are no format that kres knows. Received: {path}")
    return result


def _inspect_onnx(path: str | Path) -> Inspection:
    require("onnx", what="an ONNX file")
    import onnx

    try:
        model = onnx.load_model_from_string(Path(path).read_bytes())
        onnx.checker.check_model(model)
    # Damaged bytes may be no protocol buffer, or one of another message.
    except Exception as error:
        raise ArtifactError(f"a damaged ONNX file: {str(error).strip()}. Received: {path}") from error
    return Inspection(
        format="onnx",
        operators=Counter(node.op_type for node in model.graph.node),
        versions={entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
    )


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What an operator computes: the tensor's index in the file, its name and shape, and whether it leaves the file."""

    index: int
    name: str
    shape: tuple[int, ...]
    is_output: bool


def operator_outputs(path: str | Path) -> list[Computed]:
    """Give the tensors that the operators of a TFLite file compute; raises ArtifactError when it is damaged."""
    return _read(path, _computed)


def size(path: str | Path) -> int:
    """Give the bytes of a file, or of all files of a directory."""
    path = Path(path)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _read(path: str | Path, see: Callable[[Any], T]) -> T:
    content = Path(path).read_bytes()
    if content[4:8] != b"TFL3":
        raise ArtifactError(f"a TFLite file carries the mark TFL3, and this one does not. Received: {path}")
    try:
        return see(unpack(content))
    # Offsets of damaged bytes lead anywhere, so the flatbuffer reader fails in many ways.
    except Exception as error:
        raise ArtifactError(f"a damaged TFLite file: {error}. Received: {path}") from error


def _inspection(model: Any) -> Inspection:
    graph = model.subgraphs[0]
    codes = [operator_name(code) for code in model.operatorCodes]
    return Inspection(
        format=_format(model, graph, codes),
        operators=Counter(codes[node.opcodeIndex] for node in graph.operators),
        versions=_versions(codes, model.operatorCodes),
    )


def _computed(model: Any) -> list[Computed]:
    graph = model.subgraphs[0]
    return [
        Computed(
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


def _format(model: Any, graph: Any, codes: list[str]) -> str:
    from ai_edge_litert.schema_py_generated import TensorType

    constants: set[int] = set()
    activations: set[int] = set()
    for tensor in graph.tensors:
        (constants if is_constant(model, tensor) else activations).add(tensor.type)
    if TensorType.INT16 in activations:
        return "int16x8" if TensorType.INT8 in constants else UNKNOWN
    if TensorType.INT8 in activations:
        return "int8"
    if TensorType.INT4 in constants:
        return "weight_int4"
    if TensorType.INT8 in constants:
        return "weight_int8" if _all_dequantized(model, graph, codes) else "dynamic"
    return "float16" if TensorType.FLOAT16 in constants else "float32"


def _all_dequantized(model: Any, graph: Any, codes: list[str]) -> bool:
    """Say whether no operator but DEQUANTIZE reads a constant in int8: then arithmetic is in floats."""
    from ai_edge_litert.schema_py_generated import TensorType

    readers = {
        codes[node.opcodeIndex]
        for node in graph.operators
        for index in node.inputs
        if graph.tensors[index].type == TensorType.INT8 and is_constant(model, graph.tensors[index])
    }
    return readers == {"DEQUANTIZE"}
