"""Inside a TFLite file: which tensor holds which layer's output, and how far each is from the Keras model's."""

import operator
from pathlib import Path

import keras
import numpy as np

from kres.export.conversion import models
from kres.export.conversion.layer_names import listed_layers
from kres.export.conversion.pixels import known, preprocess_of, takes_pixels, to_pixels
from kres.export.conversion.strides import Strides, strides_of
from kres.export.files.errors import ArtifactError
from kres.export.files.inspection import Computed, artifact_format, operator_outputs
from kres.export.formats import FORMATS
from kres.export.losses import LayerError, decibels, one_a_layer
from kres.export.runtimes.interpreters import CURRENT, Runtime
from kres.export.runtimes.session import opened
from kres.folding import graph_of, hosts
from kres.integer_graph import IntegerGraph
from kres.preprocessing import Preprocess

LAYER_IMAGES = 16


def tensor_errors(
    model: keras.Model,
    path: str | Path,
    images: np.ndarray,
    *,
    preprocess: Preprocess | None = None,
    runtime: Runtime = CURRENT,
) -> list[LayerError]:
    """Compare the layers of a TFLite file with the Keras model's on at most 16 images (n, h, w, c), the worst first.

    Layers that the converter fused into a later one have no tensor of their own and no row; one that the file computes
    only where a stride behind it reads is compared there. Runs without XNNPACK, which keeps its inner tensors to
    itself. Raises ArtifactError for what is no TFLite file of this model's layers.
    """
    if not FORMATS[artifact_format(path)].tflite:
        raise ArtifactError(f"only a TFLite file has tensors to compare layer by layer. Received: {path}")
    preprocess = preprocess or preprocess_of(model)
    model = models.float32_twin(model)
    # kres folds norms before it converts, another exporter may have left that to the converter.
    plain = models.without_norms(model)
    computed_with = {**hosts(model), **IntegerGraph(graph_of(plain)).fused}
    candidates = [(each, layer_tensors(each, path)) for each in (plain, model)]
    model, places = max(candidates, key=lambda pair: len(pair[1]))
    if not places:
        raise ArtifactError(f"no tensor of this file has the name of a layer of the model. Received: {path}")
    activations = keras.Model(model.inputs[0], [model.get_layer(name).output for name in places])
    signal, noise = np.zeros(len(places)), np.zeros(len(places))
    indices = [tensor.index for tensor in places.values()]
    images = images[:LAYER_IMAGES]
    inputs = to_pixels(images, known(preprocess)) if takes_pixels(path) else images
    with opened(path, runtime=runtime.package, python=runtime.python, tensors=indices) as session:
        for image, fed in zip(images, inputs, strict=True):
            expected = keras.tree.flatten(activations(image[None], training=False))
            found = session.answers(fed)[len(session.outputs) :]
            for row, (ours, theirs, tensor) in enumerate(zip(expected, found, places.values(), strict=True)):
                high, wide = strides_of(tensor.name)[1]
                exact = keras.ops.convert_to_numpy(ours)[0].astype(np.float64)
                exact = exact if (high, wide) == (1, 1) else exact[::high, ::wide]
                signal[row] += np.square(exact).sum()
                noise[row] += np.square(theirs - exact).sum()
    errors = [
        LayerError(name=computed_with.get(name, name), activation=name, snr_db=decibels(*pair))
        for name, *pair in zip(places, signal, noise, strict=True)
    ]
    return one_a_layer(errors)


def layer_tensors(model: keras.Model, path: str | Path) -> dict[str, Computed]:
    """Find the tensor of each layer that has one, by its name `model/layer/operation` and its shape, in their order.

    A fused operation names all of its parts, the last one first: `net/act/Relu;net/norm/add;net/conv/convolution` is
    the output of `act`, and that of the other two is nowhere. What leaves the file is the model's own output.
    """
    layers = {layer.name: layer for layer in model.layers}
    tensors = operator_outputs(path)
    names = listed_layers([strides_of(tensor.name)[0] for tensor in tensors], layers)
    last = {part: row for row, parts in enumerate(names) for part in parts if part in layers}
    found = {}
    # A softmax leaves the file under a name of its own.
    final = model.outputs[0]._keras_history.operation.name if len(model.outputs) == 1 else ""
    if final in layers:  # and no operation such as a bare `+`
        last[final] = next(row for row, tensor in enumerate(tensors) if tensor.is_output)
    for name, row in sorted(last.items(), key=operator.itemgetter(1)):
        own = layers[name].output.shape[1:]
        fits = tensors[row].shape == (1, *_strided(own, strides_of(tensors[row].name)[1]))
        if fits and (name == final or names[row][0] == name):
            found[name] = tensors[row]
    return found


def _strided(shape: tuple[int, ...], strides: Strides) -> tuple[int, ...]:
    """Give the shape of what strides over height and width leave of a map (h, w, c)."""
    if strides == (1, 1):
        return shape
    return tuple(-(-size // step) for size, step in zip(shape, (*strides, 1), strict=False))
