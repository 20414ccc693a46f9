"""The fake-quantized twin of a network: float32 arithmetic that rounds where int8 arithmetic will."""

import difflib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from kres.choices import check_choice
from kres.convolution import GroupedConv2D
from kres.folding import FusedResNet
from kres.integer_graph import IntegerGraph
from kres.lowering import LoweredModel, lower, rewire
from kres.model import ResNet
from kres.quantized_layers import (
    WEIGHT_BITS,
    FakeQuantize,
    KeptFloat,
    QuantizedConv1D,
    QuantizedConv2D,
    QuantizedDense,
    QuantizedDepthwiseConv2D,
    RangeUpdates,
    RoundedKernel,
)
from kres.scopes import recursion_for

logger = logging.getLogger("kres")

Tensor = Any
SUFFIX = "_quantized"
"""What the name of a `FakeQuantize` layer adds to that of the layer whose output it rounds."""

# Exact types: a subclass may compute something else.
_QUANTIZED: dict[type, Any] = {
    keras.layers.Conv1D: QuantizedConv1D,
    keras.layers.Conv2D: QuantizedConv2D,
    GroupedConv2D: QuantizedConv2D,
    keras.layers.DepthwiseConv2D: QuantizedDepthwiseConv2D,
    keras.layers.Dense: QuantizedDense,
}


def activation_points(model: keras.Model) -> list[str]:
    """Names of the layers whose outputs int8 needs a range of, the input's among them, in the order of the network.

    They are those of the fused network, and `<name>_linear` for what one with an activation within computes before it.
    A softmax is none, as its range is fixed. Raises ValueError as `quantized_twin`.
    """
    points = IntegerGraph(lower(model).model).points
    return [name for name, point in points.items() if point.bounds is None]


def quantized_twin(
    model: keras.Model,
    *,
    weight_bits: int = 8,
    keep_float: Iterable[str] = (),
    range_updates: RangeUpdates = "none",
) -> keras.Model:
    """A copy of `model`, weights too, that rounds as its int8 TFLite file will: in inference, and to learn with it.

    Batch norms fold first, as by `kres.fuse`, whose layers' names the twin's have. Kernels are rounded to a scale an
    output channel (one in all in dense layers), every activation between two integer operations by a `FakeQuantize`
    layer behind it. Ranges are to be set by `set_ranges`, or trained. A network of `kres.build` stays one, which can be
    saved; its export to int8 needs no calibration.

    Layers that are several operations to TFLite, such as group normalization, stay in float32, and a line in the log
    says which.

    Args:
        model: a network of `kres.build`, fused or not, or another functional or Sequential model of stock layers.
        weight_bits: 8, or 4, which int8 kernels hold as a coarser grid.
        keep_float: layers of the fused network that stay in float32.
        range_updates: what training does to the ranges: `none`, `moving_average` or `learned`.

    Raises:
        ValueError: such a value is not allowed, a name is no layer's, or the model is neither functional nor a built
            Sequential one, does not compute in float32 or calls a layer several times.
    """
    check_choice(weight_bits, "weight_bits", WEIGHT_BITS)
    keep_float = tuple([keep_float] if isinstance(keep_float, str) else keep_float)
    lowered = lower(model)
    graph = IntegerGraph(lowered.model, _parts(lowered, keep_float))
    if graph.unknown:
        logger.info("%s: %s stay in float32, which int8 has not", model.name, ", ".join(graph.unknown))
    if not graph.points:
        layers = ", ".join(graph.kinds)
        raise ValueError(f"Quantization takes a model with a layer that int8 has. Received: {model.name!r}: {layers}")
    twin = _written(graph, weight_bits=weight_bits, range_updates=range_updates)
    if isinstance(model, ResNet):
        options = {"weight_bits": weight_bits, "keep_float": list(keep_float), "range_updates": range_updates}
        twin = QuantizedResNet.of(twin, model, options)
    if not model.trainable:
        twin.trainable = False
    return twin


def _written(graph: IntegerGraph, *, weight_bits: int, range_updates: RangeUpdates) -> keras.Model:
    """The lowered model with rounded kernels, and a FakeQuantize layer behind each activation point."""
    copies: list[tuple[Any, Any]] = []
    ranges: dict[int, tuple[FakeQuantize, Tensor]] = {}
    """What rounds a tensor, by the tensor's id, and to which step."""

    def rounded(tensor: Any, name: str) -> Any:
        bounds = graph.points[name].bounds
        if graph.kinds[name] == "float" and name not in graph.unknown:
            tensor = KeptFloat(name=f"{name}_float")(tensor)
        layer = FakeQuantize(updates=range_updates, bounds=bounds, name=f"{name}{SUFFIX}")
        tensor, step = layer(tensor)
        ranges[id(tensor)] = layer, step
        return tensor

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        kind = graph.kinds[layer.name]
        config = layer.get_config()
        if kind != "float" and type(layer) in _QUANTIZED:
            kwargs["step"] = ranges[id(args[0])][1]
            copied = _QUANTIZED[type(layer)].from_config({**config, "weight_bits": weight_bits})
        else:
            copied = type(layer).from_config(config)
        if isinstance(layer, keras.layers.Layer):
            copies.append((layer, copied))
        outputs = copied(*args, **kwargs)
        if layer.name in graph.points:
            return rounded(outputs, layer.name)
        if kind in ("moves", "average") and (own := ranges.get(id(args[0]))) is not None:
            if kind == "average":
                outputs, _ = own[0](outputs, follow=False)
            ranges[id(outputs)] = own
        return outputs

    model = graph.model
    with recursion_for(2 * len(model.operations)):
        inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in model.inputs]
        starts = [rounded(x, x.name) if x.name in graph.points else x for x in inputs]
        outputs = rewire(model, call, starts)
        twin = keras.Model(keras.tree.pack_sequence_as(model.input, inputs), outputs, name=model.name)
    for layer, copied in copies:
        copied.set_weights(layer.get_weights())
    return twin


@keras.saving.register_keras_serializable(package="kres")
class QuantizedResNet(FusedResNet):
    """A ResNet's fake-quantized twin; its config is the float network's, with what `quantized_twin` was asked for."""

    quantization: dict[str, Any]
    """The arguments of `quantized_twin`."""

    @classmethod
    def of(cls, twin: keras.Model, model: ResNet, options: dict[str, Any]) -> "QuantizedResNet":
        """The layers of `twin` as a network that knows what `model` does."""
        made = cls(
            inputs=twin.input,
            outputs=twin.output,
            network=model.network,
            preprocess=model.preprocess,
            options=model.options,
            name=model.name,
        )
        made.weights_tag = model.weights_tag
        made.folded = getattr(model, "folded", {})
        made.quantization = options
        return made

    def get_config(self) -> dict[str, Any]:
        """The float network's config and the quantization."""
        return {**super().get_config(), "quantization": self.quantization}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The twin that `get_config` described, with fresh weights and no ranges."""
        config = dict(config)
        quantization = config.pop("quantization")
        return quantized_twin(ResNet.from_config(config, custom_objects), **quantization)


def is_twin(model: keras.Model) -> bool:
    """Whether a model is a fake-quantized twin."""
    return any(isinstance(layer, FakeQuantize) for layer in model.layers)


def ranges(twin: keras.Model) -> dict[str, tuple[float, float]]:
    """The (low, high) of each activation that a twin rounds, by the layer's name; those that TFLite fixes left out."""
    return {name: (float(layer.low.value), float(layer.high.value)) for name, layer in _range_layers(twin).items()}


def set_ranges(twin: keras.Model, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Set the (low, high) of every activation that a twin rounds; each is widened to hold 0.

    Raises:
        ValueError: no twin, a name is missing or unknown, or a bound is not finite or above the other.
    """
    layers = _range_layers(twin)
    if wrong := sorted(set(layers) ^ set(ranges)):
        raise ValueError(
            f"`ranges` holds what `ranges(twin)` does, a name for each of {len(layers)}. Received: {len(ranges)}, "
            f"missing or unknown: {', '.join(wrong[:5])}"
        )
    for name, (low, high) in ranges.items():
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"a range is two finite numbers, the lower first. Received: {name}=({low}, {high})")
    for name, (low, high) in ranges.items():
        _set(layers[name], min(low, 0.0), max(high, 0.0))


@contextmanager
def kernels_rounded(twin: keras.Model) -> Iterator[None]:
    """Within it the kernels of a twin hold what it rounds them to, so that a converter that rounds anew finds the same.

    Two roundings of one value halfway between two steps need not agree.
    """
    layers = [layer for layer in twin.layers if isinstance(layer, RoundedKernel)]
    before = [keras.ops.convert_to_numpy(layer.kernel) for layer in layers]
    try:
        for layer in layers:
            layer.kernel.assign(keras.ops.reshape(layer.rounded_kernel()[0], layer.kernel.shape))
        yield
    finally:
        for layer, kernel in zip(layers, before, strict=True):
            layer.kernel.assign(kernel)


def _set(layer: FakeQuantize, low: float, high: float) -> None:
    layer.low.assign(low)
    layer.high.assign(high if low < high else 1.0)  # all is zero, which every range holds


def observe_ranges(twin: keras.Model, batches: Iterable[Tensor]) -> None:
    """Set every range to the extremes of what reaches it from inputs of the model (n, h, w, c), in batches.

    Layer by layer: each sees its inputs rounded already, as it will in int8.

    Raises:
        ValueError: no twin, no batch, or activations that are not finite.
    """
    seen: dict[str, tuple[float, float]] = {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name in layers and kwargs.get("follow", True):
            low, high = seen.get(layer.name, (0.0, 0.0))
            low, high = min(low, float(keras.ops.min(args[0]))), max(high, float(keras.ops.max(args[0])))
            seen[layer.name] = low, high
            _set(layer, low, high)
        return layer(*args, **kwargs)

    layers = {layer.name: layer for layer in _range_layers(twin).values()}
    for batch in batches:
        rewire(twin, call, batch)
    if not seen:
        raise ValueError("ranges are observed on at least one batch. Received: none")
    set_ranges(twin, {name.removesuffix(SUFFIX): found for name, found in seen.items()})


def check_ranges(twin: keras.Model) -> None:
    """Raise ValueError unless every range of a twin is set."""
    if unset := [name for name, (low, high) in ranges(twin).items() if not low < high]:
        raise ValueError(
            "A twin needs a range for each activation: call set_ranges, or train it. "
            f"Received: none for {len(unset)} of them, such as {unset[0]}"
        )


def _range_layers(twin: keras.Model) -> dict[str, FakeQuantize]:
    found = {
        layer.name.removesuffix(SUFFIX): layer
        for layer in twin.layers
        if isinstance(layer, FakeQuantize) and layer.bounds is None
    }
    if not found:
        raise ValueError(f"a twin is what quantized_twin gives. Received: {twin.name!r}, which rounds nothing")
    return found


def _parts(lowered: LoweredModel, keep_float: tuple[str, ...]) -> frozenset[str]:
    """The lowered layers of those named; ValueError for one that is not there."""
    for name in keep_float:
        if name not in lowered.parts:
            near = difflib.get_close_matches(str(name), lowered.parts, n=1, cutoff=0.0)
            raise ValueError(f"`keep_float` names layers of the fused network; closest: {near[0]}. Received: {name!r}")
    return frozenset(part for name in keep_float for part in lowered.parts[name])
