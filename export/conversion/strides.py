"""Values of a TFLite graph that a stride skips, no longer computed.

The original ResNet strides in the 1x1 convolutions that begin a stage (He et al. 2015, "Deep Residual Learning for
Image Recognition"), so that of the block before them three values in four are read by nothing.
"""

import re
from typing import Any

import numpy as np

from kres.export.conversion.tflite_graph import Graph

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
Strides = tuple[int, int]
_MARK = re.compile(r"@(\d+)x(\d+)$")
# What stands before the name of a tensor in that of one that was made of it.
_PADDED, _SUBSAMPLED = "padded/", "strided/"


def strides_of(name: str) -> tuple[str, Strides]:
    """Give a tensor's name without what `stride_earlier` notes there, and the strides that it notes: `x@2x2`."""
    match = _MARK.search(name)
    return (name[: match.start()], (int(match[1]), int(match[2]))) if match else (name, (1, 1))


def without_rewriting(name: str) -> str:
    """Give a tensor's name as it was before `stride_earlier`, or that of the one which a tensor was made of."""
    return strides_of(name)[0].removeprefix(_PADDED).removeprefix(_SUBSAMPLED)


def stride_earlier(graph: Graph, node: Any) -> bool:
    """Let what computes a tensor stride, where all that read it are convolutions of one tap and one stride.

    Every value that is still computed is the same; but in `dynamic`, where the interpreter rounds a convolution's input
    by the largest value that is there, it may be rounded otherwise. A sum strides where one of its terms is a
    convolution that can; a term that others read in full is subsampled for it. The tensor's name notes the strides.
    """
    if graph.kind(node) not in CONVOLUTIONS or (strides := _strides(node)) == (1, 1):
        return False
    tensor = int(node.inputs[0])
    readers = list(graph.readers(tensor))
    alike = all(_one_tap(graph, reader) and _strides(reader) == strides for reader in readers)
    if not alike or not _can_stride(graph, tensor):
        return False
    _stride(graph, tensor, strides)
    for reader in readers:
        reader.builtinOptions.strideH = reader.builtinOptions.strideW = 1
    return True


def _strides(convolution: Any) -> Strides:
    return convolution.builtinOptions.strideH, convolution.builtinOptions.strideW


def _one_tap(graph: Graph, node: Any) -> bool:
    return node is not None and graph.kind(node) in CONVOLUTIONS and graph.shape(node.inputs[1])[1:3] == [1, 1]


def _can_stride(graph: Graph, tensor: int) -> bool:
    """Whether a convolution that computes a tensor, alone or as a term of a sum, can compute a part of it."""
    maker = graph.maker(tensor)
    if maker is None or not graph.value_type(tensor):
        return False
    if graph.kind(maker) in CONVOLUTIONS:
        return (maker.builtinOptions.dilationHFactor, maker.builtinOptions.dilationWFactor) == (1, 1)
    terms = [int(term) for term in maker.inputs]
    same = all(graph.shape(term) == graph.shape(tensor) for term in terms)
    return graph.kind(maker) == "ADD" and same and any(_own(graph, term) for term in terms)


def _own(graph: Graph, term: int) -> bool:
    """Whether the sum that reads a term is alone in that, and the term can be computed in part."""
    readers = list(graph.readers(term))
    return len(readers) == 1 and list(readers[0].inputs).count(term) == 1 and _can_stride(graph, term)


def _stride(graph: Graph, tensor: int, strides: Strides) -> None:
    maker, full = graph.maker(tensor), graph.shape(tensor)
    strided = _strided(full, strides)
    if graph.kind(maker) in CONVOLUTIONS:
        _pad_apart(graph, maker, strided, strides)
        options = maker.builtinOptions
        options.strideH, options.strideW = options.strideH * strides[0], options.strideW * strides[1]
    else:
        maker.inputs = [_strided_term(graph, maker, int(term), strides) for term in maker.inputs]
    graph.tensors[tensor].shape = strided
    name, before = strides_of(graph.tensors[tensor].name.decode())
    graph.tensors[tensor].name = f"{name}@{before[0] * strides[0]}x{before[1] * strides[1]}".encode()
    # Of one tap itself, it may hand the stride on.
    stride_earlier(graph, maker)


def _strided_term(graph: Graph, reader: Any, term: int, strides: Strides) -> int:
    if _own(graph, term):
        _stride(graph, term, strides)
        return term
    return _subsampled(graph, reader, term, strides)


def _strided(shape: list[int], strides: Strides) -> list[int]:
    n, height, width, channels = shape
    return [n, -(-height // strides[0]), -(-width // strides[1]), channels]


def _pad_apart(graph: Graph, node: Any, strided: list[int], strides: Strides) -> None:
    """Pad as for the strides that a convolution has: with others "same" would begin elsewhere."""
    options, source = node.builtinOptions, int(node.inputs[0])
    if options.padding == graph.schema.Padding.VALID:
        return
    pads, padded = np.zeros((4, 2), np.int32), graph.shape(source)
    kernel, target = graph.shape(node.inputs[1])[1:3], graph.shape(node.outputs[0])[1:3]
    sizes = zip(kernel, target, _strides(node), strides, strict=True)
    for axis, (taps, out, stride, more) in enumerate(sizes, start=1):
        # TFLite's own rule for "same": the odd one goes behind.
        before = max((out - 1) * stride + taps - padded[axis], 0) // 2
        reach = (strided[axis] - 1) * stride * more + taps
        pads[axis] = before, max(reach - before - padded[axis], 0)
        padded[axis] += int(pads[axis].sum())
    options.padding = graph.schema.Padding.VALID
    if not pads.any():
        return
    name = graph.tensors[source].name.decode()
    inputs = [source, graph.add_constant(pads, name=f"{name}/pads")]
    apart = graph.add_tensor(source, padded, name=f"{_PADDED}{name}")
    node.inputs = [apart, *list(node.inputs)[1:]]
    graph.insert(node, "PAD", inputs, apart, graph.schema.PadOptionsT())


def _subsampled(graph: Graph, reader: Any, tensor: int, strides: Strides) -> int:
    """Give a tensor of the values that a stride reads, a pool of one value each."""
    name = graph.tensors[tensor].name.decode()
    target = graph.add_tensor(tensor, _strided(graph.shape(tensor), strides), name=f"{_SUBSAMPLED}{name}")
    pool = graph.schema.Pool2DOptionsT()
    pool.padding, pool.filterHeight, pool.filterWidth = graph.schema.Padding.VALID, 1, 1
    pool.strideH, pool.strideW = strides
    graph.insert(reader, "MAX_POOL_2D", [tensor], target, pool)
    return target
