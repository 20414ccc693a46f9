"""A TFLite graph rewritten so that XNNPACK takes it whole, and runs it faster: the same values, other operators.

Two exceptions: the probabilities of an int8 file are no longer rounded, and what `dynamic` rounds image by image hangs
on what is computed (see `strides`).

What the converter leaves outside the delegate splits the graph in partitions, and runs on one thread by kernels that
are slower. Symmetric padding needs no rewriting: XNNPACK pads as it convolves.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from kres.export.conversion.strides import stride_earlier
from kres.export.conversion.tflite_graph import VERSIONS, Graph
from kres.export.files.flatbuffer import is_constant, pack, unpack

# A vector instruction multiplies this many int8 channels of one position; fewer are filled up with zeros.
CHANNELS_AT_ONCE = 8


def rewritten(content: bytes) -> bytes:
    """Give a TFLite file whose graph computes what the given one does, by operators that suit XNNPACK better."""
    graph = Graph(unpack(content))
    changes = [rewrite(graph, node) for rewrite in REWRITINGS for node in list(graph.nodes)]
    return pack(graph.model) if any(changes) else content


def softmax_in_float(graph: Graph, node: Any) -> bool:
    """Dequantize before an int8 softmax whose output is float32, not behind it.

    XNNPACK has a softmax in float32 alone; and probabilities are no longer rounded to 256 steps.
    """
    if graph.kind(node) != "DEQUANTIZE" or graph.value_type(node.inputs[0]) != "INT8":
        return False
    between = int(node.inputs[0])
    softmax = graph.maker(between)
    if softmax is None or graph.kind(softmax) != "SOFTMAX" or len(list(graph.readers(between))) != 1:
        return False
    for field in ("opcodeIndex", "builtinOptions", "builtinOptionsType"):
        first, second = getattr(softmax, field), getattr(node, field)
        setattr(softmax, field, second)
        setattr(node, field, first)
    graph.tensors[between].type, graph.tensors[between].quantization = graph.schema.TensorType.FLOAT32, None
    return True


def pool_as_convolution(graph: Graph, node: Any) -> bool:
    """Write a pool that XNNPACK refuses, a stride alone or an average in int8, as a depthwise convolution.

    A pool whose windows reach over the map's border stays: it counts fewer values there.
    """
    kind, options = graph.kind(node), node.builtinOptions
    if kind not in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        return False
    source, target = int(node.inputs[0]), int(node.outputs[0])
    window = (options.filterHeight, options.filterWidth)
    subsamples = window == (1, 1) and max(options.strideH, options.strideW) > 1
    averages = kind == "AVERAGE_POOL_2D" and graph.value_type(source) == "INT8"
    if not (subsamples or averages) or not graph.value_type(source) or _reaches_over(graph, node):
        return False
    channels, area = graph.shape(source)[-1], window[0] * window[1]
    name = graph.tensors[target].name.decode()
    if graph.value_type(source) == "INT8":
        # Ones, so that the sum is exact; the scale divides it.
        kernel, scale = np.ones((1, *window, channels), np.int8), 1 / area
        bias = (np.zeros(channels, np.int32), float(graph.tensors[source].quantization.scale[0]) * scale)
    else:
        kernel, scale = np.full((1, *window, channels), 1 / area, np.float32), None
        bias = (np.zeros(channels, np.float32), None)
    weights = graph.add_constant(kernel, name=f"{name}/kernel", scale=scale)
    node.inputs = [source, weights, graph.add_constant(bias[0], name=f"{name}/bias", scale=bias[1])]
    node.opcodeIndex = graph.code("DEPTHWISE_CONV_2D", VERSIONS["DEPTHWISE_CONV_2D"][graph.value_type(source)])
    convolution = graph.schema.DepthwiseConv2DOptionsT()
    convolution.padding, convolution.depthMultiplier = graph.schema.Padding.VALID, 1
    convolution.strideH, convolution.strideW = options.strideH, options.strideW
    convolution.fusedActivationFunction = options.fusedActivationFunction
    node.builtinOptions, node.builtinOptionsType = convolution, graph.schema.BuiltinOptions.DepthwiseConv2DOptions
    return True


def _reaches_over(graph: Graph, pool: Any) -> bool:
    options, source, target = pool.builtinOptions, graph.shape(pool.inputs[0]), graph.shape(pool.outputs[0])
    windows = ((options.strideH, options.filterHeight), (options.strideW, options.filterWidth))
    return any((target[k] - 1) * stride + size > source[k] for k, (stride, size) in enumerate(windows, start=1))


def columns_in_pairs(graph: Graph, node: Any) -> bool:
    """Let an int8 convolution that strides over pixels read two columns as one position of twice the channels.

    Memory is the same, the kernel gets zeros before its first column where the padding is odd, and every sum is the
    same integer. Of three channels a vector instruction would use three eighths of its width.
    """
    if graph.kind(node) != "CONV_2D" or graph.value_type(node.inputs[0]) != "INT8":
        return False
    padded, kernel, options = int(node.inputs[0]), int(node.inputs[1]), node.builtinOptions
    pad = graph.maker(padded)
    if pad is None or graph.kind(pad) != "PAD" or len(list(graph.readers(padded))) != 1:
        return False
    source = int(pad.inputs[0])
    (n, height, width, channels), (filters, rows, columns, depth) = graph.shape(source), graph.shape(kernel)
    strides = (options.strideW, options.dilationWFactor, options.padding) == (2, 1, graph.schema.Padding.VALID)
    fits = 2 * channels <= CHANNELS_AT_ONCE and width % 2 == 0 and depth == channels
    if not (
        strides and fits and is_constant(graph.model, graph.tensors[kernel]) and graph.value_type(kernel) == "INT8"
    ):
        return False
    pads = graph.values(int(pad.inputs[1]), np.int32)
    odd = int(pads[2, 0]) % 2
    filled = np.pad(graph.values(kernel, np.int8), ((0, 0), (0, 0), (odd, (columns + odd) % 2), (0, 0)))
    filled = filled.reshape(filters, rows, -1, 2 * channels)
    left = (int(pads[2, 0]) + odd) // 2
    right = graph.shape(node.outputs[0])[2] - 1 + filled.shape[2] - left - width // 2
    if right < 0:
        return False
    name = graph.tensors[source].name.decode()
    pairs = graph.add_tensor(source, [n, height, width // 2, 2 * channels], name=f"{name}/pairs")
    graph.tensors[padded].shape = [n, graph.shape(padded)[1], left + width // 2 + right, 2 * channels]
    reshape = graph.schema.ReshapeOptionsT()
    reshape.newShape = graph.shape(pairs)
    shape = graph.add_constant(np.array(reshape.newShape, np.int32), name=f"{name}/shape")
    graph.insert(pad, "RESHAPE", [source, shape], pairs, reshape)
    pads = np.array([pads[0], pads[1], [left, right], pads[3]], np.int32)
    pad.inputs = [pairs, graph.add_constant(pads, name=f"{name}/pads")]
    weights = graph.add_constant(filled, name=graph.tensors[kernel].name.decode())
    graph.tensors[weights].quantization = graph.tensors[kernel].quantization
    node.inputs, options.strideW = [padded, weights, *list(node.inputs)[2:]], 1
    return True


REWRITINGS: tuple[Callable[[Graph, Any], bool], ...] = (
    softmax_in_float,
    stride_earlier,
    pool_as_convolution,  # of the pools that the strides leave too
    columns_in_pairs,
)
