"""Cross-layer equalization: channels of neighbouring layers scaled against each other, the network's answer unchanged.

Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction, arXiv 1906.04721,
section 4.1.
"""

import logging
from collections import Counter
from typing import Any

import keras
import numpy as np

from kres.convolution import GroupedConv2D
from kres.folding import folded

logger = logging.getLogger("kres")

# Exact types: a subclass may compute something else from the same variables.
_CONVOLUTIONS = (keras.layers.Conv2D, GroupedConv2D)
_WEIGHTED = (*_CONVOLUTIONS, keras.layers.DepthwiseConv2D, keras.layers.Dense)
# What gives s * y for s * x, channel by channel, with any positive s.
_HOMOGENEOUS = (
    keras.layers.ZeroPadding2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Dropout,
)
_ROUNDS = 20
_SETTLED = 1e-3


def equalized(model: keras.Model) -> keras.Model:
    """Give a copy of `model`, its batch norms folded, in which paired layers use their kernels' range alike.

    Two layers are a pair where the second alone reads the first, with nothing between them but rectifiers, poolings and
    zero padding, which a positive scale passes through. Channel i of the first is divided by s and that of the second
    multiplied by it, s = sqrt(r1 r2) / r2 of the channel's largest weights r1 and r2 (equation 11 of the paper), and
    again until no scale moves: a layer may stand in two pairs. The model's outputs are the same to float32's rounding.
    """
    copy = folded(model)
    pairs = _pairs(copy)
    kernels = {layer.name: layer.get_weights() for pair in pairs for layer in pair}
    for _ in range(_ROUNDS):
        moved = [_equalize(first, second, kernels) for first, second in pairs]
        if max(moved, default=0.0) < _SETTLED:
            break
    for name, values in kernels.items():
        copy.get_layer(name).set_weights(values)
    logger.info("%s: %d pairs of layers equalized.", model.name, len(pairs))
    return copy


def _pairs(model: keras.Model) -> list[tuple[Any, Any]]:
    model = getattr(model, "_functional", model)  # what a Sequential runs
    calls = [call for calls in model._nodes_by_depth.values() for call in calls]
    times = Counter(call.operation for call in calls)
    readers: dict[int, list[Any]] = {}
    for call in calls:
        for tensor in call.input_tensors:
            readers.setdefault(id(tensor), []).append(call)
    outputs = {id(tensor) for tensor in model.outputs}

    def next_weighted(call: Any) -> Any:
        while True:
            tensor = call.outputs[0]
            following = readers.get(id(tensor), [])
            if len(following) != 1 or id(tensor) in outputs:
                return None
            call = following[0]
            if type(call.operation) in _WEIGHTED:
                return call.operation
            if not _is_homogeneous(call.operation):
                return None

    found = []
    for call in calls:
        first = call.operation
        if type(first) not in _WEIGHTED or not _rectifies(getattr(first, "activation", None)):
            continue
        second = next_weighted(call)
        if second is not None and times[first] == times[second] == 1 and _channels_last(first, second):
            found.append((first, second))
    return found


def _is_homogeneous(operation: Any) -> bool:
    if isinstance(operation, keras.layers.ReLU):
        return operation.max_value is None and not operation.threshold
    if isinstance(operation, keras.layers.Activation):
        return _rectifies(operation.activation)
    return type(operation) in _HOMOGENEOUS


def _rectifies(activation: Any) -> bool:
    return activation in (keras.activations.linear, keras.activations.relu)


def _channels_last(*layers: Any) -> bool:
    return all(getattr(layer, "data_format", "channels_last") == "channels_last" for layer in layers)


def _equalize(first: Any, second: Any, kernels: dict[str, list[np.ndarray]]) -> float:
    """Scale one pair's weights in place and give the largest |log s|."""
    ours, theirs = _grouped(first, kernels[first.name][0]), _grouped(second, kernels[second.name][0])
    outgoing, incoming = np.abs(ours).max((0, 1)).reshape(-1), np.abs(theirs).max((0, 3)).T.reshape(-1)
    # A channel that is zero on one side has no range to give.
    live = (outgoing > 0) & (incoming > 0)
    scale = np.sqrt(np.where(live, outgoing, 1) / np.where(live, incoming, 1))
    ours = ours / scale.reshape(ours.shape[2:])
    theirs = theirs * scale.reshape(theirs.shape[2], theirs.shape[1]).T[:, :, None]
    for layer, values in ((first, ours), (second, theirs)):
        kernels[layer.name][0] = values.reshape(layer.kernel.shape)
    if first.use_bias:
        kernels[first.name][1] = kernels[first.name][1] / scale
    return float(np.abs(np.log(scale)).max())


def _grouped(layer: Any, kernel: np.ndarray) -> np.ndarray:
    """A kernel as (taps, inputs of a group, groups, outputs of a group)."""
    if isinstance(layer, keras.layers.Dense):
        return kernel[None, :, None, :]
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return kernel.reshape(-1, 1, *kernel.shape[2:])
    return kernel.reshape(-1, kernel.shape[2], layer.groups, kernel.shape[3] // layer.groups)
