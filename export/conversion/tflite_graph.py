"""The main graph of a TFLite file, and the changes that rewriting makes to it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kres.export.files.flatbuffer import operator_name

# The version of an operator that each type of values needs.
VERSIONS = {
    "DEPTHWISE_CONV_2D": {"FLOAT32": 1, "INT8": 3},
    "MAX_POOL_2D": {"FLOAT32": 1, "INT8": 2},
    "PAD": {"FLOAT32": 1, "INT8": 2},
    "RESHAPE": {"FLOAT32": 1, "INT8": 1},
}
VALUE_TYPES = ("FLOAT32", "INT8")


class Graph:
    """The main graph of a TFLite file, with what rewriting asks of it."""

    def __init__(self, model: Any) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema, self.model = schema, model
        self.nodes, self.tensors = model.subgraphs[0].operators, model.subgraphs[0].tensors

    def kind(self, node: Any) -> str:
        """Name a node's operator."""
        return operator_name(self.model.operatorCodes[node.opcodeIndex])

    def value_type(self, tensor: int) -> str:
        """Name the type of a tensor's values, as the schema does; one that is none of those rewritten is empty."""
        known = {getattr(self.schema.TensorType, name): name for name in VALUE_TYPES}
        return known.get(self.tensors[tensor].type, "")

    def shape(self, tensor: int) -> list[int]:
        """Give a tensor's shape."""
        return [int(size) for size in self.tensors[tensor].shape]

    def values(self, tensor: int, dtype: type) -> np.ndarray:
        """Give the values of a constant tensor."""
        buffer = self.model.buffers[self.tensors[tensor].buffer].data
        return np.frombuffer(bytes(buffer), dtype).reshape(self.shape(tensor))

    def readers(self, tensor: int) -> Iterator[Any]:
        """Yield the nodes that read a tensor, and None where it leaves the graph."""
        yield from (node for node in self.nodes if tensor in list(node.inputs))
        yield from (None for output in self.model.subgraphs[0].outputs if output == tensor)

    def maker(self, tensor: int) -> Any:
        """Give the node that computes a tensor, or None."""
        return next((node for node in self.nodes if tensor in list(node.outputs)), None)

    def add_tensor(self, like: int, shape: list[int], *, name: str) -> int:
        """Add a tensor of another one's type and quantization; give its index."""
        tensor = self.schema.TensorT()
        tensor.type, tensor.quantization = self.tensors[like].type, self.tensors[like].quantization
        tensor.shape, tensor.name, tensor.buffer = shape, name.encode(), 0
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add_constant(self, values: np.ndarray, *, name: str, scale: float | None = None) -> int:
        """Add a constant tensor, with a scale where it is quantized; give its index."""
        buffer, tensor = self.schema.BufferT(), self.schema.TensorT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.type = getattr(self.schema.TensorType, values.dtype.name.upper())
        tensor.shape, tensor.name, tensor.buffer = list(values.shape), name.encode(), len(self.model.buffers) - 1
        if scale is not None:
            tensor.quantization = self.schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def insert(self, before: Any, kind: str, inputs: list[int], output: int, options: Any) -> None:
        """Add a node of an operator with its options, before another node."""
        node = self.schema.OperatorT()
        node.opcodeIndex = self.code(kind, VERSIONS[kind][self.value_type(output)])
        node.inputs, node.outputs, node.builtinOptions = inputs, [output], options
        node.builtinOptionsType = getattr(self.schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.nodes.insert(next(k for k, other in enumerate(self.nodes) if other is before), node)

    def code(self, name: str, version: int) -> int:
        """Give the index of an operator's code in at least this version, added where there is none."""
        for index, code in enumerate(self.model.operatorCodes):
            if operator_name(code) == name and code.version >= version:
                return index
        code = self.schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(self.schema.BuiltinOperator, name)
        code.version = version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1
