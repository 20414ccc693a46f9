"""A functional model's layers run one after the other, each output shown as it comes and forgotten once it is read."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

CHUNK = 64
# Of a net of 400 blocks all layers' outputs together are 0.2 GB an image.
CHUNK_BYTES = 1_000_000_000

Visit = Callable[[Any, Any], Any]


def images_at_once(model: keras.Model) -> int:
    """Give the number of images whose activations fit in CHUNK_BYTES all together, at most CHUNK."""
    shapes = (output.shape[1:] for layer in model.layers for output in keras.tree.flatten(layer.output))
    return max(1, min(CHUNK, CHUNK_BYTES // max(1, sum(4 * math.prod(shape) for shape in shapes))))


def chunks(model: keras.Model, images: np.ndarray) -> Iterator[np.ndarray]:
    """Cut images (n, h, w, c) into blocks that `model` can run at once, in their order."""
    size = images_at_once(model)
    return (images[start : start + size] for start in range(0, len(images), size))


def walk(model: keras.Model, images: Any, visit: Visit) -> None:
    """Run `model` in inference mode on images (n, h, w, c).

    Each layer or operation is called in the order of the graph, inputs first, and `visit(layer, output)` gives what the
    layers behind it read. A tensor is held until its last reader has run, so that memory does not grow with depth.
    """
    import tensorflow as tf

    model = getattr(model, "_functional", model)  # what a Sequential runs
    calls = [call for depth in sorted(model._nodes_by_depth, reverse=True) for call in model._nodes_by_depth[depth]]
    readers = Counter(id(tensor) for call in calls for tensor in call.input_tensors)
    values: dict[int, Any] = {id(model.inputs[0]): tf.convert_to_tensor(images)}
    for call in calls:
        if call.is_input:
            result = values[id(call.outputs[0])]
        else:
            args, kwargs = call.arguments.fill_in(values)
            if "training" in getattr(call.operation, "_call_context_args", ()):
                kwargs["training"] = False
            result = call.operation(*args, **kwargs)
        for symbol, value in zip(call.outputs, keras.tree.flatten(visit(call.operation, result)), strict=True):
            if readers[id(symbol)]:
                values[id(symbol)] = value
        for symbol in call.input_tensors:
            readers[id(symbol)] -= 1
            if not readers[id(symbol)]:
                del values[id(symbol)]
