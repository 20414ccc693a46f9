"""What goes into an artifact and what comes out: the tensors that it declares, read without running it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kres.export.files.errors import ArtifactError
from kres.export.files.inspection import artifact_format


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """Name, shape and dtype; integers stand for `(integer - zero_point) * scale`, and floats have neither of the two.

    A size that may be any is -1.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True, kw_only=True)
class Interface:
    """An artifact's inputs and outputs, in the file's order."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def interface(path: str | Path) -> Interface:
    """Read the tensors that a TFLite or ONNX file, or a SavedModel's `serving_default`, takes and gives."""
    path = Path(path)
    return READERS.get(artifact_format(path), _tflite)(path)


def _tflite(path: Path) -> Interface:
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
    return Interface(
        inputs=tuple(_tensor(graph.Tensors(graph.Inputs(index))) for index in range(graph.InputsLength())),
        outputs=tuple(_tensor(graph.Tensors(graph.Outputs(index))) for index in range(graph.OutputsLength())),
    )


def _tensor(tensor: Any) -> Tensor:
    quantization = tensor.Quantization()
    quantized = quantization is not None and quantization.ScaleLength() == 1
    return Tensor(
        name=tensor.Name().decode(),
        shape=tuple(int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength())),
        dtype=_dtypes()[tensor.Type()],
        scale=float(quantization.Scale(0)) if quantized else None,
        zero_point=int(quantization.ZeroPoint(0)) if quantized else None,
    )


def _saved_model(path: Path) -> Interface:
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        signature = SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0].signature_def
    # protobuf's own error, or an index where a graph is missing.
    except Exception as error:
        raise ArtifactError(f"a SavedModel that cannot be loaded: {error}. Received: {path}") from error

    def tensors(found: Any) -> tuple[Tensor, ...]:
        return tuple(
            Tensor(
                name=name,
                shape=tuple(size.size for size in found[name].tensor_shape.dim),
                dtype=tf.dtypes.as_dtype(found[name].dtype).name,
            )
            for name in sorted(found)
        )

    serving = signature["serving_default"]
    return Interface(inputs=tensors(serving.inputs), outputs=tensors(serving.outputs))


def _onnx(path: Path) -> Interface:
    import onnx

    graph = onnx.load_model(path).graph

    def tensors(values: Any) -> tuple[Tensor, ...]:
        return tuple(
            Tensor(
                name=value.name,
                # A size that may be any has a name in place of its number.
                shape=tuple(size.dim_value or -1 for size in value.type.tensor_type.shape.dim),
                dtype=onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
            )
            for value in values
        )

    return Interface(inputs=tensors(graph.input), outputs=tensors(graph.output))


READERS: dict[str, Callable[[Path], Interface]] = {"saved_model": _saved_model, "onnx": _onnx}
"""What reads the artifacts that are no TFLite files."""


@cache
def _dtypes() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import TensorType

    return {code: name.lower() for name, code in vars(TensorType).items() if isinstance(code, int)}
