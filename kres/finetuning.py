"""Fine-tuning a trained network: a new head, the layers up to a stage frozen, and set free again."""

from typing import Any

import keras

from kres.backbone import HEAD
from kres.model import ResNet

BACKBONE = "backbone"
_NORMS = (keras.layers.BatchNormalization, keras.layers.GroupNormalization)


def replace_head(model: ResNet, classes: int, *, dropout: float | None = None) -> ResNet:
    """A new network with the weights of `model` up to its head, and a fresh head of so many classes.

    It keeps what `model` knows: preprocessing, weights tag and options, and which layers are frozen; the head is
    trainable. A network without the top gets one, behind an average pool. `model` itself is unchanged.

    Args:
        model: a network of `kres.build`.
        classes: outputs of the new head.
        dropout: rate of dropout before the head; None for the rate of `model`.

    Raises:
        ValueError: an argument that `kres.build` refuses, or a model that it did not make.
    """
    if not isinstance(model, ResNet):
        raise ValueError(
            "Only a network that kres.build made, without `input_tensor`, can be built again with another head. "
            f"Received: model of type {type(model).__name__}"
        )
    config = model.get_config()
    config |= {"include_top": True, "pooling": None, "classes": classes}
    # All layers of a frozen model are on this list, so that they stay frozen beside a head that is not.
    config |= {"trainable": True, "frozen": [name for name in config["frozen"] if name != HEAD]}
    if dropout is not None:
        config["dropout"] = dropout
    result = type(model).from_config(config)
    for layer in result.layers:
        if layer.weights and layer.name != HEAD:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return result


def freeze(model: keras.Model, until: str = BACKBONE) -> None:
    """Freeze a network's layers from the images up to and including a stage; what follows stays as it is.

    Frozen layers do not train, and frozen norms use their moving statistics, which stay as they are, in training too.
    A compiled model must be compiled again, and `fit` says so.

    Args:
        model: a network of `kres.build`.
        until: `stem`, `stage1` and so on, or `backbone` for all but the head.

    Raises:
        ValueError: no such stage, or a model that `kres.build` did not make.
    """
    parts = _parts(model)
    _check(until, "until", [*_stages(parts), BACKBONE])
    backbone = [part for part in parts if part != HEAD]
    for part in backbone if until == BACKBONE else backbone[: backbone.index(until) + 1]:
        for layer in parts[part]:
            layer.trainable = False
    _end_compilation(model)


def unfreeze(model: keras.Model, since: str = "stem", *, norms: bool = True) -> None:
    """Let a network's layers train from a stage on, its head with them; what stands before stays as it is.

    A compiled model must be compiled again, and `fit` says so.

    Args:
        model: a network of `kres.build`.
        since: `stem` for all layers, or `stage1` and so on.
        norms: False leaves the norms as they are: where those are frozen, small batches do not disturb the moving
            statistics, as is usual in fine-tuning.

    Raises:
        ValueError: no such stage, or a model that `kres.build` did not make.
    """
    parts = _parts(model)
    _check(since, "since", _stages(parts))
    names = list(parts)
    freed = [
        layer for part in names[names.index(since) :] for layer in parts[part] if norms or not isinstance(layer, _NORMS)
    ]
    trainable = {layer for layer in model.layers if layer.trainable}.union(freed)
    model.trainable = True  # which sets every layer or, on TensorFlow where it was True, none
    for layer in model.layers:
        layer.trainable = layer in trainable
    _end_compilation(model)


def _parts(model: Any) -> dict[str, list[Any]]:
    """A network's layers by what their names begin with, from the images to the head."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"Give a network of kres.build. Received: model of type {type(model).__name__}")
    parts: dict[str, list[Any]] = {}
    for layer in model.layers:
        parts.setdefault(HEAD if layer.name == HEAD else layer.name.partition("_")[0], []).append(layer)
    if not {"stem", "stage1"} <= parts.keys():
        raise ValueError(
            "Stages are known by the names that kres.build gives its layers; of a model around such a network, give "
            f"the network itself. Received: model={model.name!r} without layers of that name"
        )
    return parts


def _stages(parts: dict[str, list[Any]]) -> list[str]:
    return [part for part in parts if part.startswith(("stem", "stage"))]


def _check(value: Any, name: str, allowed: list[str]) -> None:
    if value not in allowed:
        raise ValueError(f"`{name}` is one of {allowed}. Received: {name}={value!r}")


def _end_compilation(model: Any) -> None:
    """Have `fit` ask for `compile`: what was traced before goes on to train what was trainable then."""
    model.compiled = False
