"""Where a fake-quantized twin begins and ends: only what is rounded there can go in and out as an integer."""

from typing import Any

import keras

from kres.integer_graph import kind_of
from kres.quantized_layers import FakeQuantize


def require_edges(twin: keras.Model, io: str) -> None:
    """Raise ValueError where `io` is an integer type, and the twin does not round its input or one of its outputs."""
    if io == "float32":
        return
    found = [f"the input {tensor.name!r}, read by {_listed(_readers(tensor))}" for tensor in _float_inputs(twin)]
    found += [f"the output of {_operation(tensor).name!r}" for tensor in _float_outputs(twin)]
    if found:
        raise ValueError(
            f"input and output are integers where the layers that read and compute them are int8. Received: io={io!r}, "
            f"and in float32 {'; '.join(found)}"
        )


def _float_inputs(twin: keras.Model) -> list[Any]:
    return [
        tensor for tensor in twin.inputs if not any(isinstance(reader, FakeQuantize) for reader in _readers(tensor))
    ]


def _float_outputs(twin: keras.Model) -> list[Any]:
    return [tensor for tensor in twin.outputs if not _is_rounded(tensor)]


def _is_rounded(tensor: Any) -> bool:
    operation = _operation(tensor)
    if kind_of(operation) == "moves":
        return _is_rounded(operation.input)
    return isinstance(operation, FakeQuantize)


def _operation(tensor: Any) -> Any:
    return tensor._keras_history.operation


def _readers(tensor: Any) -> list[Any]:
    return [node.operation for node in _operation(tensor)._outbound_nodes]


def _listed(operations: list[Any]) -> str:
    return ", ".join(repr(operation.name) for operation in operations)
