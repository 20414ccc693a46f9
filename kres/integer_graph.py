"""Which tensors of a lowered network int8 arithmetic rounds: those between what TFLite computes in one operation."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

import keras

from kres.convolution import GroupedConv2D
from kres.layers import PadChannels

Tensor = Any
Kind = Literal["input", "arithmetic", "fixed", "moves", "average", "float"]

# Exact types everywhere: a subclass may compute something else.
KERNELS = (keras.layers.Conv1D, keras.layers.Conv2D, GroupedConv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
_SUMS = (keras.layers.Add, keras.layers.Subtract, keras.layers.Multiply)
# One integer operation each, whose output has a range of its own.
_ARITHMETIC = (*KERNELS, *_SUMS, keras.layers.Concatenate, keras.layers.GlobalAveragePooling2D)
# What moves values or chooses among them: the output has the input's range, and lies on its steps already.
_MOVES = (
    keras.layers.Cropping2D,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.Permute,
    keras.layers.Reshape,
    keras.layers.ZeroPadding2D,
    PadChannels,
)
_KINDS: dict[type, Kind] = {
    **dict.fromkeys(_ARITHMETIC, "arithmetic"),
    **dict.fromkeys(_MOVES, "moves"),
    # The output has the input's range too, but lies between its steps.
    keras.layers.AveragePooling2D: "average",
}
# Operations of one's own functional model, such as a bare `+`, have no public types.
_OPERATIONS: dict[str, Kind] = {"Add": "arithmetic", "Subtract": "arithmetic", "Multiply": "arithmetic", "Pad": "moves"}
# Outputs whose range TFLite fixes.
_FIXED = {"softmax": (0.0, 255 / 256), "sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
_ACTIVATIONS: dict[str, Kind] = {
    "relu": "arithmetic",
    "relu6": "arithmetic",
    "linear": "moves",
    **dict.fromkeys(_FIXED, "fixed"),
}


@dataclass(frozen=True)
class Point:
    """A tensor that int8 rounds; `bounds` is its range where TFLite fixes that."""

    tensor: Tensor
    bounds: tuple[float, float] | None


class IntegerGraph:
    """The operations of a lowered model: of what kind each is, and behind which of them int8 rounds.

    Those of the names `keep_float` are none of int8's, and neither is a ReLU that belongs to one of them.
    """

    def __init__(self, model: Any, keep_float: frozenset[str] = frozenset()) -> None:
        self.model = model
        self._readers: dict[int, list[Any]] = defaultdict(list)
        depths = sorted(model._nodes_by_depth, reverse=True)
        nodes = [node for depth in depths for node in model._nodes_by_depth[depth]]
        for node in nodes:
            for tensor in node.input_tensors:
                self._readers[id(tensor)].append(node.operation)
        self._outputs = {id(tensor) for tensor in model.outputs}
        operations = [node.operation for node in nodes]
        self.kinds: dict[str, Kind] = {operation.name: kind_of(operation) for operation in operations}
        relus = ((operation, self._fused_relu(operation)) for operation in operations)
        self.fused: dict[str, str] = {relu.name: operation.name for operation, relu in relus if relu is not None}
        """The ReLUs that are computed together with the operation before them, and that operation, by name."""
        self.unknown = [name for name, kind in self.kinds.items() if kind == "float"]
        """Layers that int8 does not compute, or not in one operation."""
        for operation in operations:
            if operation.name in keep_float:
                self.kinds[operation.name] = "float"
                if relu := self._fused_relu(operation):
                    self.kinds[relu.name] = "float"
        self.points: dict[str, Point] = {
            operation.name: Point(tensor=operation.output, bounds=_bounds(operation))
            for operation in operations
            if self._rounds(operation)
        }
        """By the name of the layer that puts the tensor out, in the order of the network."""

    def _rounds(self, operation: Any) -> bool:
        kind = self.kinds[operation.name]
        if kind in ("moves", "average"):
            return False  # its input is rounded, where anything reads integers
        if kind in ("input", "float"):
            return self._read_as_integers(operation.output)
        return self._fused_relu(operation) is None

    def _read_as_integers(self, tensor: Any) -> bool:
        for reader in self._readers[id(tensor)]:
            kind = self.kinds[reader.name]
            if kind == "float":
                continue
            if kind not in ("moves", "average") or self._read_as_integers(reader.output):
                return True
        return False

    def _fused_relu(self, operation: Any) -> Any:
        """The ReLU that TFLite computes together with an operation, or None."""
        fuses = type(operation) in (*KERNELS, *_SUMS) or _OPERATIONS.get(_operation(operation)) == "arithmetic"
        if not fuses or id(operation.output) in self._outputs:
            return None
        readers = self._readers[id(operation.output)]
        return readers[0] if len(readers) == 1 and _is_relu(readers[0]) else None


def kind_of(operation: Any) -> Kind:
    """Of what kind an operation is to int8 arithmetic."""
    kind = type(operation)
    if isinstance(operation, keras.layers.InputLayer):
        return "input"
    if kind is keras.layers.Activation:
        return _ACTIVATIONS.get(_name(operation), "float")
    if kind is keras.layers.ReLU:
        return "arithmetic" if _is_relu(operation) else "float"
    if kind is keras.layers.Softmax:
        return "fixed" if operation.axis in (-1, len(operation.output.shape) - 1) else "float"
    return _KINDS.get(kind) or _OPERATIONS.get(_operation(operation)) or "float"


def _operation(operation: Any) -> str:
    """The name of one of Keras's operations on tensors alone; empty for a layer, and where a constant takes part."""
    if isinstance(operation, keras.layers.Layer):
        return ""
    name = type(operation).__name__
    tensors = len(operation._inbound_nodes[0].input_tensors)
    return name if name == "Pad" or tensors == 2 else ""


def _is_relu(operation: Any) -> bool:
    if type(operation) is keras.layers.ReLU:
        plain = operation.negative_slope in (None, 0) and operation.threshold in (None, 0)
        return plain and operation.max_value in (None, 6)
    return type(operation) is keras.layers.Activation and _name(operation) in ("relu", "relu6")


def _bounds(operation: Any) -> tuple[float, float] | None:
    if type(operation) is keras.layers.Softmax:
        return _FIXED["softmax"]
    return _FIXED.get(_name(operation)) if type(operation) is keras.layers.Activation else None


def _name(activation: Any) -> str:
    """What Keras calls the function of an `Activation` layer; empty for one of the user's."""
    name = getattr(activation.activation, "__name__", "")
    return name if getattr(keras.activations, name, None) is activation.activation else ""
