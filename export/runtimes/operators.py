"""A TFLite file cut into its operators, each a file of its own, so that each can be timed alone."""

import copy
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kres.export.conversion.layer_names import computed_layers
from kres.export.files.flatbuffer import is_constant, operator_names, pack, unpack

# XNNPACK pads as it convolves: before one of these a PAD costs nothing, though alone it would take its time.
PADDING_READERS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})


@dataclass(frozen=True, kw_only=True)
class Part:
    """An operator as a TFLite file: its type and those that go with it, the layer that it computes, the bytes."""

    name: str
    layer: str
    content: bytes


def cut(path: str | Path) -> list[Part]:
    """Give the operators of a TFLite file's main graph in their order.

    What prepares an operator's constants goes with it, and so does a PAD that a convolution alone reads: the delegate
    makes one operator of them.
    """
    model = unpack(Path(path).read_bytes())
    graph, names = model.subgraphs[0], operator_names(model)
    layers = _layers(graph)
    makers = {int(graph.operators[k].outputs[0]): k for k in _companions(model, names)}
    parts = []
    for k in range(len(names)):
        if k in makers.values():
            continue
        group = [*_needed(graph, k, makers), k]
        parts.append(
            Part(
                name=" + ".join(dict.fromkeys(names[node] for node in group)),
                layer=layers[k],
                content=_file(model, [graph.operators[node] for node in group]),
            )
        )
    return parts


def _companions(model: Any, names: list[str]) -> list[int]:
    """Give the nodes that go with those that read them."""
    graph = model.subgraphs[0]
    fixed = {k for k, tensor in enumerate(graph.tensors) if is_constant(model, tensor)}
    readers: dict[int, Counter[str]] = {}
    for node, name in zip(graph.operators, names, strict=True):
        for tensor in node.inputs:
            readers.setdefault(int(tensor), Counter())[name] += 1
    found = []
    for k, (node, name) in enumerate(zip(graph.operators, names, strict=True)):
        by_whom = readers.get(int(node.outputs[0]), Counter())
        if by_whom and len(node.inputs) and fixed.issuperset(int(tensor) for tensor in node.inputs):
            fixed.update(map(int, node.outputs))
            found.append(k)
        elif name == "PAD" and by_whom.total() == 1 and by_whom.keys() <= PADDING_READERS:
            found.append(k)
    return found


def _needed(graph: Any, k: int, makers: dict[int, int]) -> list[int]:
    """Give the companions that node `k` needs, in their order."""
    needed: set[int] = set()
    visited = [k]
    while visited:
        found = {makers[int(t)] for t in graph.operators[visited.pop()].inputs if int(t) in makers} - needed
        needed |= found
        visited += found
    return sorted(needed)


def _layers(graph: Any) -> list[str]:
    """Name the layer that each node computes; where the file does not tell, the one that reads it or that it reads."""
    outputs = [int(node.outputs[0]) for node in graph.operators]
    names = [(graph.tensors[tensor].name or b"").decode(errors="replace") for tensor in outputs]
    layers = computed_layers(names)
    makers = {tensor: layer for tensor, layer in zip(outputs, layers, strict=True) if layer}
    named = [(node, layer) for node, layer in zip(graph.operators, layers, strict=True) if layer]
    readers = {int(tensor): layer for node, layer in named for tensor in node.inputs}
    found = []
    for node, tensor, name, layer in zip(graph.operators, outputs, names, layers, strict=True):
        read = (makers[int(source)] for source in node.inputs if int(source) in makers)
        found.append(layer or readers.get(tensor) or next(read, name))
    return found


def _file(model: Any, nodes: list[Any]) -> bytes:
    """Give a file of these nodes alone, whose inputs are what they read from other nodes."""
    from ai_edge_litert import schema_py_generated as schema

    tensors = model.subgraphs[0].tensors
    read = dict.fromkeys(int(tensor) for node in nodes for tensor in node.inputs if tensor >= 0)
    made = dict.fromkeys(int(tensor) for node in nodes for tensor in node.outputs)
    places = {tensor: place for place, tensor in enumerate(read | made)}
    part, graph = schema.ModelT(), schema.SubGraphT()
    part.version, part.operatorCodes, part.subgraphs = model.version, model.operatorCodes, [graph]
    part.buffers, graph.tensors, graph.operators = [schema.BufferT()], [], []
    for tensor in places:
        copied = copy.copy(tensors[tensor])
        if is_constant(model, copied):
            part.buffers.append(model.buffers[copied.buffer])
            copied.buffer = len(part.buffers) - 1
        else:
            copied.buffer = 0
        graph.tensors.append(copied)
    for node in nodes:
        copied = copy.copy(node)
        copied.inputs = [places.get(int(tensor), -1) for tensor in node.inputs]
        copied.outputs = [places[int(tensor)] for tensor in node.outputs]
        graph.operators.append(copied)
    graph.inputs = [places[t] for t in read if t not in made and not graph.tensors[places[t]].buffer]
    graph.outputs = [places[tensor] for tensor in made if tensor not in read]
    return pack(part)
