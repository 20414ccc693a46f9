"""What a layer does inside: the layers and operations that it calls, found by calling it on shapes alone."""

from typing import Any

import keras

# What symbolic calls raise of a layer that is no graph of Keras's layers and operations.
NO_GRAPH = (ValueError, TypeError, AttributeError, NotImplementedError, RuntimeError)


def traced_or_none(operation: Any, args: Any, kwargs: Any) -> Any:
    """What a layer calls, as a keras.Function; None for what is no layer, or calls anything else than Keras."""
    if not isinstance(operation, keras.layers.Layer):
        return None
    try:
        return traced(operation, args, kwargs)
    except NO_GRAPH:
        return None


def traced(layer: Any, args: Any, kwargs: Any) -> Any:
    """The layers and operations that a layer calls, as a keras.Function of its tensors."""
    if isinstance(layer, (keras.Function, keras.Sequential)):
        return getattr(layer, "_functional", layer)  # what a Sequential runs
    args, kwargs = keras.tree.map_structure(
        lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype) if isinstance(leaf, keras.KerasTensor) else leaf,
        (args, kwargs),
    )
    # A symbolic call leaves a node in each layer, and a layer with several has no `output` any more: they are removed.
    nodes = [lists for part in layer._flatten_layers() for lists in (part._inbound_nodes, part._outbound_nodes)]
    before = [len(existing) for existing in nodes]
    try:
        return keras.Function(
            [leaf for leaf in keras.tree.flatten((args, kwargs)) if isinstance(leaf, keras.KerasTensor)],
            layer.call(*args, **kwargs),
        )
    finally:
        for existing, count in zip(nodes, before, strict=True):
            del existing[count:]
