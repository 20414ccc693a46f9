"""Which layers lose most by quantization: signal to noise between a float network's activations and its twin's."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kres.export.images import Images, collect
from kres.export.losses import LayerError, decibels, one_a_layer
from kres.export.post_training.units import Units
from kres.export.walking import chunks, walk
from kres.lowering import LoweredModel, lower
from kres.quantization import SUFFIX
from kres.quantized_layers import FakeQuantize

# As many as measure a power to a few percent; more would only take longer.
MOST_IMAGES = 64


@dataclass
class _Power:
    """Sums of squares of an activation: the signal, its noise, and the noise of its layer alone."""

    signal: float = 0.0
    noise: float = 0.0
    own: float = 0.0


def layer_errors(model: keras.Model, twin: keras.Model, images: Images) -> list[LayerError]:
    """Measure each layer whose output `twin` rounds against that of the float model on the first 64 images.

    Sorted by what a layer alone loses, the worst first; one that is rounded twice, as a dense layer's sums and their
    softmax are, stands there once, with what loses more. `images` are normalised, as the model takes them. Raises
    ValueError for images that cannot be, and for a twin of another model.
    """
    inputs, _ = collect(images, tuple(model.inputs[0].shape[1:]), limit=MOST_IMAGES)
    return measured_errors(lower(model), twin, inputs)


def measured_errors(lowered: LoweredModel, twin: keras.Model, images: np.ndarray) -> list[LayerError]:
    """Measure a twin of a lowered network on images (n, h, w, c); see `layer_errors`."""
    names = [layer.name.removesuffix(SUFFIX) for layer in twin.layers if isinstance(layer, FakeQuantize)]
    if other := set(names) - {layer.name for layer in lowered.model.operations}:
        raise ValueError(f"the twin must be that of the model. Received: a twin with {min(other)!r}, which it has not")
    powers = {name: _Power() for name in names}
    for block in chunks(lowered.model, images):
        _measure(lowered.model, twin, block, powers)
    units = Units(lowered)
    found = [
        LayerError(
            name=units.layer(name),
            kind=units.kind(name),
            activation=name,
            snr_db=decibels(power.signal, power.noise),
            own_snr_db=decibels(power.signal, power.own),
        )
        for name, power in powers.items()
    ]
    return one_a_layer(found)


def _measure(network: keras.Model, twin: keras.Model, images: np.ndarray, powers: dict[str, _Power]) -> None:
    exact: dict[str, Any] = {}

    def note(layer: Any, output: Any) -> Any:
        if layer.name in powers:
            exact[layer.name] = output
            powers[layer.name].signal += energy(output)
        return output

    walk(network, images, note)

    def gathered(layer: Any, output: Any) -> Any:
        if isinstance(layer, FakeQuantize) and (name := layer.name.removesuffix(SUFFIX)) in pending:
            powers[name].noise += energy(keras.tree.flatten(output)[0] - pending.pop(name))
        return output

    def alone(layer: Any, output: Any) -> Any:
        if layer.name in powers:
            powers[layer.name].own += energy(output - exact[layer.name])
        if isinstance(layer, FakeQuantize) and (name := layer.name.removesuffix(SUFFIX)) in pending:
            return layer(pending.pop(name))  # so that the layers behind read exact values, rounded
        return output

    # A range that serves a pooled tensor too is called again for that, and no longer pending.
    pending = dict(exact)
    walk(twin, images, gathered)
    pending = dict(exact)
    walk(twin, images, alone)


def energy(values: Any) -> float:
    """Give the sum of squares."""
    return float(keras.ops.sum(keras.ops.square(keras.ops.cast(values, "float64"))))
