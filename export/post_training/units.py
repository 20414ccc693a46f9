"""The layers of a lowered network as int8 computes them: a ReLU together with what it follows, and who reads whom."""

import difflib
import fnmatch
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from kres.integer_graph import IntegerGraph
from kres.lowering import LoweredModel


class Units:
    """What computes each activation that is rounded, in names of the fused network's layers, and what reads it."""

    def __init__(self, lowered: LoweredModel) -> None:
        graph = IntegerGraph(lowered.model)
        self._model = lowered.model
        self._points, self._fused = graph.points, graph.fused
        self._whole = {part: name for name, parts in lowered.parts.items() for part in parts}
        self._operations = {operation.name: operation for operation in lowered.model.operations}
        self._sources: dict[str, set[str]] = defaultdict(set)
        self._readers: dict[str, set[str]] = defaultdict(set)
        for name in self._points:
            for activation in self._read_by(self._computing(name)):
                self._sources[self.layer(name)].add(self.layer(activation))
                self._readers[self.layer(activation)].add(self.layer(name))

    def layer(self, activation: str) -> str:
        """Give the layer of the fused network that computes an activation."""
        name = self._computing(activation).name
        return self._whole.get(name, name)

    def kind(self, activation: str) -> str:
        """Give the class of what computes an activation."""
        return type(self._computing(activation)).__name__

    def layers(self) -> set[str]:
        """Give all layers that compute something."""
        return {self.layer(name) for name in self._points if not self._is_input(name)}

    def around(self, layer: str) -> set[str]:
        """Give the layers to have in float32 so that a layer reads exact inputs: those before, and their readers."""
        before = self._sources[layer]
        found = {layer, *before, *(reader for source in before for reader in self._readers[source])}
        return {name for name in found if not self._is_input(name)}

    def edges(self) -> set[str]:
        """Give the layers that read the inputs or compute the outputs."""
        inputs = [name for name in self._points if self._is_input(name)]
        outputs = [tensor._keras_history.operation for tensor in self._model.outputs]
        last = {
            name
            for operation in outputs
            for name in ([operation.name] if operation.name in self._points else self._read_by(operation))
        }
        written = {found for name in last for found in (self.layer(name), self._whole.get(name, name))}
        return written.union(*(self._readers[name] for name in inputs))

    def _is_input(self, name: str) -> bool:
        return isinstance(self._operations.get(name), keras.layers.InputLayer)

    def _computing(self, activation: str) -> Any:
        return self._operations[self._fused.get(activation, activation)]

    def _read_by(self, operation: Any) -> set[str]:
        """The rounded activations that an operation reads, through what only moves values."""
        found: set[str] = set()
        for source in _before(operation):
            found |= {source.name} if source.name in self._points else self._read_by(source)
        return found


def _before(operation: Any) -> list[Any]:
    return [tensor._keras_history.operation for tensor in operation._inbound_nodes[0].input_tensors]


def match_layers(patterns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Give the layers among `names` that a pattern names (`stage4_*`), in their order.

    Raises ValueError for a pattern that names none; the error names the nearest layer.
    """
    found = set()
    for pattern in patterns:
        matching = fnmatch.filter(names, pattern)
        if not matching:
            near = difflib.get_close_matches(pattern, names, n=1, cutoff=0.0)
            raise ValueError(f"every name or pattern must find a layer. Closest: {near[0]}. Received: {pattern!r}")
        found.update(matching)
    return [name for name in names if name in found]
