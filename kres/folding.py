"""Batch norms folded into the convolutions before them: a network for inference that computes the same with less."""

import logging
from collections import Counter
from typing import Any

import keras
import numpy as np

from kres.convolution import GroupedConv2D, StandardizedConv2D
from kres.model import ResNet
from kres.normalization import BatchNormalization, FrozenBatchNormalization
from kres.scopes import recursion_for

logger = logging.getLogger("kres")

# Exact types: a subclass may compute something else from the same variables.
NORMS = (keras.layers.BatchNormalization, BatchNormalization, FrozenBatchNormalization)
# What a norm folds into, and along how many of the kernel's last axes its output channels lie.
_HOSTS: dict[type, int] = {
    keras.layers.Conv1D: 1,
    keras.layers.Conv2D: 1,
    keras.layers.Conv3D: 1,
    keras.layers.Dense: 1,
    keras.layers.DepthwiseConv1D: 2,
    keras.layers.DepthwiseConv2D: 2,
    GroupedConv2D: 1,
    StandardizedConv2D: 1,
}


def fuse(model: keras.Model) -> keras.Model:
    """A new model for inference: batch norms folded into the convolutions before them, standardized kernels made plain.

    It puts out what `model` does in inference, to float32's rounding; `model` itself is unchanged. What remains keeps
    its name. A network of `kres.build` stays one, which can be saved and exported, and its maps tapped by
    `kres.features`. It is not for training: what its norms would learn and hold in check is gone.

    A norm folds where it follows a convolution or dense layer whose output nothing else reads. One behind a sum or a
    pool, as before each block of a pre-activation network, stays; a line in the log says how many do. Group
    normalization depends on the image and stays too.

    Args:
        model: a network of `kres.build`, or any other functional or Sequential model, `keras.applications`' among
            them; models within it are fused as well.

    Raises:
        ValueError: there is nothing to fold, or the model is neither functional nor a built Sequential one.
    """
    fused = folded(model)
    before, after = _count(model, keras.layers.BatchNormalization), _count(fused, keras.layers.BatchNormalization)
    standardized = _count(model, StandardizedConv2D)
    if before == after and not standardized:
        raise ValueError(
            "There is nothing to fold: no batch norm follows a convolution or dense layer that it alone reads, and no "
            f"kernel is standardized. Received: model={model.name!r} with {before} batch norms"
        )
    # Where all are gone there is nothing to know.
    logger.log(
        logging.INFO if after else logging.DEBUG,
        "%s: %d of %d batch norms folded, %d remain; %d standardized kernels made plain.",
        model.name,
        before - after,
        before,
        after,
        standardized,
    )
    return fused


@keras.saving.register_keras_serializable(package="kres")
class FusedResNet(ResNet):
    """A ResNet that `kres.fuse` made; its config is the unfused network's, and loading folds that again."""

    folded: dict[str, str]
    """Names of the norms that are gone, and of the layers that do their work now."""

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """As Keras's; for a norm that is gone, the layer that puts out what it did."""
        return super().get_layer(self.folded.get(name, name), index)  # type: ignore[arg-type]

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "ResNet":
        """The network that `get_config` described, with fresh weights."""
        return folded(ResNet.from_config(config, custom_objects))


def folded(model: keras.Model) -> Any:
    """A copy of `model`, layers and weights, without the norms that fold."""
    graph = graph_of(model)
    hosts = _foldable(graph)
    norms = {host: norm for norm, host in hosts.items()}
    copies: dict[keras.layers.Layer, keras.layers.Layer] = {}

    def copy(layer: Any) -> Any:
        if layer in hosts:
            return layer  # never called
        if isinstance(layer, keras.Model):
            return folded(layer)
        copied = _copy(layer, bias=layer in norms)
        if isinstance(layer, keras.layers.Layer):  # and no operation such as a bare `+`, which has no weights
            copies[layer] = copied
        return copied

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer in hosts else layer(*args, **kwargs)

    with recursion_for(len(graph.operations)):
        clone = keras.models.clone_model(graph, clone_function=copy, call_function=call)
        names = {norm.name: host.name for norm, host in hosts.items()}
        fused = _as_resnet(clone, model, folded=names) if isinstance(model, ResNet) else clone
    fused.dtype_policy = model.dtype_policy
    if not model.trainable:
        fused.trainable = False
    for layer, copied in copies.items():
        copied.set_weights(_weights(layer, norms.get(layer)))
    return fused


def hosts(model: Any) -> dict[str, str]:
    """Names of the norms that fold, and of the layers that they fold into; those of models within are left out."""
    return {norm.name: host.name for norm, host in _foldable(graph_of(model)).items()}


def graph_of(model: Any) -> keras.Model:
    """The model's layers as they are wired, and nothing of what `compile` added."""
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise ValueError(
            "Folding needs to see how layers are wired: give a functional model, or a Sequential one that is built. "
            f"Received: model of type {type(model).__name__}"
        )
    with recursion_for(len(model.operations)):
        return keras.Model(model.input, model.output, name=model.name)


def _foldable(graph: Any) -> dict[Any, Any]:
    """Each norm that folds, and the layer that it folds into."""
    calls = [call for calls in graph._nodes_by_depth.values() for call in calls]
    times = Counter(call.operation for call in calls)
    makers = {id(tensor): call.operation for call in calls for tensor in call.outputs}
    readers = Counter(id(tensor) for call in calls for tensor in call.input_tensors)
    readers.update(id(tensor) for tensor in graph.outputs)
    found = {}
    for call in calls:
        norm, arguments = call.operation, call.arguments
        if type(norm) not in NORMS or len(arguments.args) != 1 or arguments.kwargs.get("training"):
            continue
        tensor = arguments.args[0]
        host = makers[id(tensor)]
        once = times[norm] == times[host] == readers[id(tensor)] == 1
        if once and _is_affine(host) and norm.axis % len(tensor.shape) == _channel_axis(host, tensor):
            found[norm] = host
    return found


def _is_affine(layer: Any) -> bool:
    """Whether a layer is a kernel and a bias at most: no activation, nothing quantized, no adapter."""
    if type(layer) not in _HOSTS or layer.activation is not keras.activations.linear:
        return False
    return {variable.name for variable in layer.weights} <= {"kernel", "bias"}


def _channel_axis(host: Any, tensor: Any) -> int:
    return 1 if getattr(host, "data_format", None) == "channels_first" else len(tensor.shape) - 1


def _copy(layer: Any, *, bias: bool) -> Any:
    """A fresh layer of the same config; one that standardizes becomes a plain one, and `bias` asks for a bias."""
    config, kind = layer.get_config(), type(layer)
    if kind is StandardizedConv2D:
        del config["epsilon"]
        kind = GroupedConv2D
    return kind.from_config({**config, "use_bias": True} if bias else config)


def _weights(layer: Any, norm: Any) -> list[np.ndarray]:
    """Values for the copy of `layer`, those of `norm` folded in: computed in float64."""
    if norm is None and type(layer) is not StandardizedConv2D:
        return layer.get_weights()
    # Standardized by the layer's own arithmetic, which is what the network was trained with.
    kernel = _float64(layer.standardized(layer.kernel) if type(layer) is StandardizedConv2D else layer.kernel)
    bias = [_float64(layer.bias)] if layer.use_bias else []
    if norm is None:
        return [kernel, *bias]
    scale = 1 / np.sqrt(_float64(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale = scale * _float64(norm.gamma)
    shift = sum(bias, -_float64(norm.moving_mean)) * scale
    if norm.center:
        shift = shift + _float64(norm.beta)
    return [kernel * scale.reshape(kernel.shape[-_HOSTS[type(layer)] :]), shift]


def _float64(value: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(value).astype(np.float64)


def _as_resnet(clone: Any, model: ResNet, *, folded: dict[str, str]) -> FusedResNet:
    fused = FusedResNet(
        inputs=clone.input,
        outputs=clone.output,
        network=model.network,
        preprocess=model.preprocess,
        options=model.options,
        name=model.name,
    )
    fused.weights_tag = model.weights_tag
    fused.folded = getattr(model, "folded", {}) | folded
    return fused


def _count(model: Any, kind: type) -> int:
    """Layers of a kind in a model and in the models within it."""
    return sum(
        _count(layer, kind) if isinstance(layer, keras.Model) else isinstance(layer, kind) for layer in model.layers
    )
