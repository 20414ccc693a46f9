"""What a layer or an operation multiplies: rules in small tables, counted as fvcore counts, which timm publishes.

One multiply-accumulate (MAC) is one product that is added to a sum. fvcore counts convolutions and matrix products so,
a batch norm as 2 a value, a norm with statistics of its own as 4 or 5, and a global average as 1; biases, activations,
additions and local pools as nothing (fvcore/nn/jit_handles.py).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

Tensor = Any


@dataclass(frozen=True)
class Call:
    """One operation as it is called: its tensors have `shape`, everything known."""

    operation: Any
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]


def elements(tensor: Tensor) -> int:
    """The number of values of a tensor or a variable of known shape."""
    return math.prod(tensor.shape)


def parameters(operation: Any) -> Iterator[Any]:
    """What training may change in a layer that is not frozen: Keras's own lists forget it when `trainable` is False."""
    if isinstance(operation, keras.layers.Layer):
        for layer in operation._flatten_layers():
            yield from layer._trainable_variables


def _convolution(call: Call) -> int:
    """The whole kernel (..., c / groups, out) at each position of the output."""
    kernel = call.operation.kernel
    return elements(call.outputs[0]) // kernel.shape[-1] * elements(kernel)


def _standardized(call: Call) -> int:
    """A convolution whose kernel is normalized in each call."""
    return _convolution(call) + 4 * elements(call.operation.kernel)


def _depthwise(call: Call) -> int:
    kernel = call.operation.kernel
    return elements(call.outputs[0]) // (kernel.shape[-2] * kernel.shape[-1]) * elements(kernel)


def _separable(call: Call) -> int:
    layer = call.operation
    kernels = elements(layer.depthwise_kernel) + elements(layer.pointwise_kernel)
    return elements(call.outputs[0]) // layer.filters * kernels


def _transposed(call: Call) -> int:
    """The whole kernel (..., out, c) at each position of the input."""
    kernel = call.operation.kernel
    return elements(call.inputs[0]) // kernel.shape[-1] * elements(kernel)


def _einsum_dense(call: Call) -> int:
    return _contraction(call.operation.equation, call.inputs[0], call.operation.kernel, call.outputs[0])


def _einsum(call: Call) -> int | None:
    if len(call.inputs) != 2:
        return None
    x, y = call.inputs
    return _contraction(call.operation.subscripts, x, y, call.outputs[0])


def _contraction(equation: str, x: Tensor, y: Tensor, out: Tensor) -> int:
    """Each output is a sum over the labels that it does not have; an ellipsis, if one stands in `x`, leads."""
    operands, result = equation.replace(" ", "").split("->")
    sizes: dict[str, int] = {}
    for labels, tensor in zip(operands.split(","), (x, y), strict=True):
        named = labels.replace("...", "")
        before = labels.find("...") if "..." in labels else len(named)
        behind = len(named) - before
        shape = tensor.shape
        sizes |= zip(named[:before], shape, strict=False)
        sizes |= zip(named[before:], shape[len(shape) - behind :], strict=True)
    return elements(out) * math.prod(size for label, size in sizes.items() if label not in result)


def _matmul(call: Call) -> int:
    return elements(call.outputs[0]) * call.inputs[0].shape[-1]


def _attention(call: Call) -> int:
    """Two products over all pairs of a query (n, t, heads, c) and a key (n, s, heads, c)."""
    query, key = call.inputs[:2]
    return 2 * elements(query) * key.shape[1]


def _batch_norm(call: Call) -> int:
    return (2 if call.operation.scale or call.operation.center else 1) * elements(call.inputs[0])


def _norm(call: Call) -> int:
    return (5 if call.operation.scale or call.operation.center else 4) * elements(call.inputs[0])


def _average(call: Call) -> int:
    return elements(call.inputs[0])


def _depthwise_op(call: Call) -> int:
    kernel = call.inputs[1]
    return elements(call.outputs[0]) // (kernel.shape[-2] * kernel.shape[-1]) * elements(kernel)


def _convolution_op(call: Call) -> int:
    kernel = call.inputs[1]
    return elements(call.outputs[0]) // kernel.shape[-1] * elements(kernel)


Rule = Callable[[Call], int | None]
_layers = keras.layers

# Those whose outputs the literature counts as activations (Radosavovic et al. 2020, arXiv 2003.13678, section 3.1).
PRODUCTS: Mapping[str, Rule] = {
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "StandardizedConv2D": _standardized,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "Conv1DTranspose": _transposed,
    "Conv2DTranspose": _transposed,
    "Conv3DTranspose": _transposed,
    "Dense": _convolution,
    "EinsumDense": _einsum_dense,
}
SWEEPS: Mapping[str, Rule] = {
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _norm,
    "GroupNormalization": _norm,
    "GlobalAveragePooling1D": _average,
    "GlobalAveragePooling2D": _average,
    "GlobalAveragePooling3D": _average,
}
RULES: Mapping[str, Rule] = {**PRODUCTS, **SWEEPS}
# keras.ops on symbolic tensors, by the operation's class.
OPERATIONS: Mapping[str, Rule] = {
    "Einsum": _einsum,
    "Matmul": _matmul,
    "Conv": _convolution_op,
    "DepthwiseConv": _depthwise_op,
    "DotProductAttention": _attention,
}
# Operations of keras.ops that multiply and add too, or run what they are given; any other sees each value once.
UNKNOWN_OPERATIONS = frozenset(
    "ConvTranspose SeparableConv Dot Tensordot Inner Outer Vdot Vecdot Kron Cross Correlate Convolve Map Scan Cond "
    "WhileLoop ForiLoop AssociativeScan Switch VectorizedMap CTCLoss CTCDecode".split()
)
KNOWN_MODULES = ("nn", "numpy", "core")

# Layers that see each value once, or a few times in a pool.
FREE: tuple[type, ...] = (
    _layers.InputLayer,
    *(getattr(_layers, f"{kind}Pooling{n}D") for kind in ("Max", "Average", "GlobalMax") for n in (1, 2, 3)),
    *(getattr(_layers, f"{kind}{n}D") for kind in ("ZeroPadding", "Cropping", "UpSampling") for n in (1, 2, 3)),
    *(_layers.Activation, _layers.ReLU, _layers.LeakyReLU, _layers.PReLU, _layers.ELU, _layers.Softmax),
    *(_layers.Add, _layers.Subtract, _layers.Multiply, _layers.Average, _layers.Maximum, _layers.Minimum),
    *(_layers.Concatenate, _layers.Permute, _layers.RepeatVector, _layers.Rescaling, _layers.Normalization),
    *(_layers.Embedding, _layers.Masking),
)
# Layers whose output, in inference, is their input or the same memory in another shape.
VIEWS: tuple[type, ...] = (
    *(_layers.Reshape, _layers.Flatten, _layers.Identity, _layers.ActivityRegularization),
    *(_layers.Dropout, _layers.AlphaDropout, _layers.GaussianDropout, _layers.GaussianNoise),
    *(_layers.SpatialDropout1D, _layers.SpatialDropout2D, _layers.SpatialDropout3D),
)


def rule(operation: Any) -> Rule | None:
    """How the MACs of a layer or an operation are counted; None where no table knows it."""
    if not isinstance(operation, keras.layers.Layer):
        return _operation_rule(operation)
    if isinstance(operation, FREE + VIEWS):
        return _nothing
    names = [base.__name__ for base in type(operation).__mro__ if base.__module__.split(".")[0] in ("keras", "kres")]
    return next((RULES[name] for name in names if name in RULES), None)


def is_product(operation: Any) -> bool:
    """Whether an operation is a convolution or a matrix product."""
    return rule(operation) in {*PRODUCTS.values(), *OPERATIONS.values()}


def _operation_rule(operation: Any) -> Rule | None:
    kind = type(operation).__name__
    if kind in OPERATIONS:
        return OPERATIONS[kind]
    module = type(operation).__module__
    known = module.startswith("keras.") and module.split(".")[-1] in KNOWN_MODULES
    return _nothing if known and kind not in UNKNOWN_OPERATIONS else None


def _nothing(call: Call) -> int:
    return 0
