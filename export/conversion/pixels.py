"""Raw pixels as input: normalisation as the first layer of a network, and images back to the grey levels they were."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

import kres
from kres.export.conversion.converter import PIXELS
from kres.export.files import metadata
from kres.export.files.interfaces import interface
from kres.preprocessing import Preprocess
from kres.quantization import SUFFIX as QUANTIZED
from kres.quantization import is_twin
from kres.quantized_layers import FakeQuantize, QuantizedConv2D
from kres.scopes import recursion_for

LAYER = "normalise"
RANGE = (0.0, 255.0)
"""Grey levels of an input, whatever the calibration images hold: scale 1 and zero point 0 in uint8."""
INPUT_RANGE = {PIXELS: RANGE}
# Normalised and taken back in float32, a grey level strays by 1e-4 at most.
TOLERANCE = 1e-2
CHUNK = 64


def with_pixels(model: keras.Model, preprocess: Preprocess, *, rounded: bool = True) -> keras.Model:
    """A copy of a network with RGB grey levels 0..255 (n, h, w, c) as its input; layers keep their names.

    The normalisation stays an operator of its own, a 1x1 convolution: folded into the first convolution it would be
    wrong wherever that pads, since the border's zeros are zeros of normalised pixels. Its kernel has one weight an
    output channel, which int8 holds exactly, so that a quantized network rounds no more often than one on normalised
    input; and it puts channels in the network's order.

    Of a fake-quantized twin pixels and normalisation are `rounded` as in its int8 file.

    Raises:
        ValueError: the network's input has another number of channels than `preprocess`.
    """
    shape = tuple(model.inputs[0].shape[1:])
    channels = len(preprocess.mean)
    if shape[-1] != channels:
        raise ValueError(f"`preprocess` is for {channels} channels. Received: a model of input shape {shape}")
    pixels = keras.Input(shape, name=PIXELS)
    if rounded and is_twin(model):
        levels, step = FakeQuantize(bounds=RANGE, name=f"{PIXELS}{QUANTIZED}")(pixels)
        layer = QuantizedConv2D(channels, 1, dtype="float32", name=LAYER)
        normalised = layer(levels, step)
    else:
        layer = keras.layers.Conv2D(channels, 1, dtype="float32", name=LAYER)
        normalised = layer(pixels)
    std = 255 * np.asarray(preprocess.std)
    kernel = np.diag(1 / std)[_channels(preprocess)]
    layer.set_weights([kernel[None, None], -255 * np.asarray(preprocess.mean) / std])

    copies: dict[Any, Any] = {}

    def copy(operation: Any) -> Any:
        copies[operation] = type(operation).from_config(operation.get_config())
        return copies[operation]

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = keras.tree.map_structure(lambda value: normalised if value is pixels else value, (args, kwargs))
        return operation(*args, **kwargs)

    with recursion_for(len(model.layers)):
        # A Sequential model has no `output` of its own before it is called.
        output = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
        graph = keras.Model(model.inputs[0], output, name=model.name)
        result = keras.models.clone_model(graph, input_tensors=pixels, clone_function=copy, call_function=call)
    for operation, copied in copies.items():
        if isinstance(operation, keras.layers.Layer):
            copied.set_weights(operation.get_weights())
    return result


def preprocess_of(model: keras.Model) -> Preprocess | None:
    """How images become the input of `model`, which a network of `kres.build` knows and others do not."""
    return model.preprocess if isinstance(model, kres.ResNet) else None


def chosen(pixels: bool | None, io: str) -> bool:
    """Say whether a file takes raw pixels: as `pixels` says, or where it is None for uint8, the type of raw pixels."""
    return io == "uint8" if pixels is None else pixels


def known(preprocess: Preprocess | None) -> Preprocess:
    """Give `preprocess` back, or raise ValueError where an artifact of raw pixels has none to put into its graph."""
    if preprocess is None:
        raise ValueError(
            "raw pixels as input (the default of io='uint8') take the model's normalisation into the graph, and only a "
            "network of kres.build knows its own: pass preprocess=kres.Preprocess(...), or pixels=False. "
            "Received: preprocess=None"
        )
    return preprocess


def takes_pixels(path: str | Path) -> bool:
    """Say whether an artifact's input is grey levels: of a TFLite file its metadata tell it, else the input's name."""
    path = Path(path)
    if metadata.is_tflite(path):
        return metadata.takes_pixels(path)
    return [tensor.name for tensor in interface(path).inputs] == [PIXELS]


def grey_levels(images: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """The RGB grey levels (..., h, w, c) that `preprocess` makes `images` of, whole ones in 0..255 or not."""
    std, mean = (255 * np.asarray(values, np.float32) for values in (preprocess.std, preprocess.mean))
    return (images * std + mean)[..., _channels(preprocess)]


def to_pixels(images: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """The RGB grey levels 0..255 (n, h, w, c), float32, that `preprocess` made `images` of.

    Raises:
        ValueError: the images are not whole grey levels that `preprocess` normalised.
    """
    pixels = np.empty(images.shape, np.float32)
    for start in range(0, len(images), CHUNK):
        levels = grey_levels(images[start : start + CHUNK], preprocess)
        whole = np.clip(np.rint(levels), *RANGE)
        strays = np.abs(levels - whole)
        if strays.max() > TOLERANCE:
            raise ValueError(
                "an artifact that takes raw pixels is calibrated and proven on whole grey levels 0..255, given as "
                "uint8 or normalised by the model's preprocess. "
                f"Received: a value of grey level {levels.flat[strays.argmax()]:.4g}"
            )
        pixels[start : start + CHUNK] = whole
    return pixels


def pinned(pixels: np.ndarray) -> np.ndarray:
    """Calibration pixels that reach from 0 to 255: where they do not, their darkest and brightest values are moved.

    So raw bytes go into a quantized file unchanged, and none is clipped.
    """
    pixels = pixels.copy()
    # The first of the darkest and the last of the brightest: two places even where all values are one.
    darkest, brightest = pixels.argmin(), pixels.size - 1 - pixels.flat[::-1].argmax()
    pixels.flat[darkest], pixels.flat[brightest] = RANGE
    return pixels


def _channels(preprocess: Preprocess) -> slice:
    """The network's order of channels as seen from RGB, and the other way round."""
    return slice(None, None, -1 if preprocess.order == "bgr" else 1)
