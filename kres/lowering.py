"""A network in the operations that a mobile runtime has: what int8 needs a range between becomes layers of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kres.folding import NORMS, folded, graph_of
from kres.integer_graph import KERNELS
from kres.layers import BlurPool2D
from kres.scopes import recursion_for

Tensor = Any
LINEAR, GATE = "_linear", "_gate"
"""What the name of a part adds to its layer's: the part before a layer's own activation, and the sigmoid of SiLU."""


@dataclass(frozen=True)
class Lowered:
    """What stands for one layer: layers with their values, and how they are called together."""

    call: Callable[..., Tensor]
    layers: tuple[keras.layers.Layer, ...]
    values: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """By the layer's name."""


@dataclass(frozen=True)
class LoweredModel:
    """A lowered model, and the names of the layers that each of the model's own became."""

    model: keras.Model
    parts: dict[str, tuple[str, ...]]


def lower(model: keras.Model) -> LoweredModel:
    """A float32 copy of a model, weights too, that computes the same and keeps its names; batch norms fold first.

    An activation within a convolution or dense layer stands behind it, which is then called `<name>_linear`. SiLU
    becomes the product that it is. A batch norm that does not fold, and a `Rescaling`, become a depthwise convolution
    of 1x1, which int8 gives a scale a channel; a blur a depthwise convolution as well. Models within are opened.

    Raises:
        ValueError: the model is neither functional nor a built Sequential one, does not compute in float32 or calls a
            layer several times.
    """
    graph = graph_of(folded(model))
    made: dict[str, Lowered] = {}
    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in graph.inputs]

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Model):
            return rewire(graph_of(layer), call, args)
        if layer.name in made:
            raise ValueError(
                "Quantization takes a model that calls each layer once, and whose layers all have names of their own. "
                f"Received: {layer.name!r} called twice or more"
            )
        made[layer.name] = _lowered(layer, args)
        return made[layer.name].call(*args, **kwargs)

    with recursion_for(len(graph.operations)):
        outputs = rewire(graph, call, inputs)
        result = keras.Model(keras.tree.pack_sequence_as(graph.input, inputs), outputs, name=model.name)
    for lowered in made.values():
        for layer in lowered.layers:
            if layer.name in lowered.values:
                layer.set_weights(lowered.values[layer.name])
    wrong = [layer.name for layer in result.layers if layer.compute_dtype != "float32"]
    if wrong:
        raise ValueError(f"Quantization takes a model that computes in float32. Received: {', '.join(wrong[:5])}")
    parts = {name: tuple(layer.name for layer in lowered.layers) for name, lowered in made.items()}
    return LoweredModel(model=result, parts=parts)


def rewire(graph: Any, call: Callable[..., Any], inputs: Any) -> Any:
    """What `call(layer, *arguments)` makes of each layer of a functional model in turn, from `inputs` to outputs."""
    return graph._run_through_graph(inputs, call_fn=call)


def _lowered(layer: Any, args: tuple[Any, ...]) -> Lowered:
    kind = type(layer)
    rank = len(args[0].shape) if args and hasattr(args[0], "shape") else 0
    if kind in KERNELS and layer.activation is not keras.activations.linear:
        return _split(layer)
    if kind is keras.layers.Activation and layer.activation is keras.activations.silu:
        return _gated(layer)
    if kind in AFFINE and rank == 4 and _is_last(layer):
        return _depthwise(layer, *AFFINE[kind](layer, args[0].shape[-1]))
    if kind is BlurPool2D:
        return _blurred(layer, args[0].shape[-1])
    copied = kind.from_config(layer.get_config())
    if not isinstance(layer, keras.layers.Layer):  # an operation such as a bare `+`, which has no weights
        return Lowered(call=copied, layers=())
    return Lowered(call=copied, layers=(copied,), values={layer.name: layer.get_weights()})


def _split(layer: Any) -> Lowered:
    """Kernel and bias, and behind them the activation."""
    config = layer.get_config()
    linear = type(layer).from_config({**config, "name": f"{layer.name}{LINEAR}", "activation": "linear"})
    activation = keras.layers.Activation(layer.activation, name=layer.name)
    return Lowered(
        call=lambda x: activation(linear(x)),
        layers=(linear, activation),
        values={linear.name: layer.get_weights()},
    )


def _gated(layer: Any) -> Lowered:
    """x times its sigmoid."""
    gate = keras.layers.Activation("sigmoid", name=f"{layer.name}{GATE}")
    product = keras.layers.Multiply(name=layer.name)
    return Lowered(call=lambda x: product([x, gate(x)]), layers=(gate, product))


def _depthwise(layer: Any, scale: np.ndarray, shift: np.ndarray) -> Lowered:
    """x * scale + shift, a channel at a time (c,)."""
    conv = keras.layers.DepthwiseConv2D(1, name=layer.name, trainable=layer.trainable)
    return Lowered(call=lambda x, **_: conv(x), layers=(conv,), values={conv.name: [scale.reshape(1, 1, -1, 1), shift]})


def _blurred(layer: BlurPool2D, channels: int) -> Lowered:
    conv = keras.layers.DepthwiseConv2D(3, strides=layer.strides, use_bias=False, name=layer.name, trainable=False)
    kernel = np.broadcast_to(layer.kernel[:, :, None, None], (3, 3, channels, 1))
    return Lowered(
        call=lambda x: conv(keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")),
        layers=(conv,),
        values={conv.name: [kernel]},
    )


def _is_last(layer: Any) -> bool:
    return getattr(layer, "axis", -1) in (-1, 3)


def _norm(layer: Any, channels: int) -> tuple[np.ndarray, np.ndarray]:
    def values(weight: Any) -> np.ndarray:
        return keras.ops.convert_to_numpy(weight).astype(np.float64)

    scale = 1 / np.sqrt(values(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * values(layer.gamma)
    shift = -values(layer.moving_mean) * scale
    return scale, shift + values(layer.beta) if layer.center else shift


def _rescaling(layer: Any, channels: int) -> tuple[np.ndarray, np.ndarray]:
    return np.broadcast_to(layer.scale, (channels,)), np.broadcast_to(layer.offset, (channels,))


# Layers that are a factor and a summand a channel, given their number.
AFFINE: dict[type, Callable[[Any, int], tuple[np.ndarray, np.ndarray]]] = {
    **dict.fromkeys(NORMS, _norm),
    keras.layers.Rescaling: _rescaling,
}
