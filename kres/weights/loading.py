"""From what a user calls weights, a path or a published tag, to a model that holds them."""

import dataclasses
import os

import keras

from kres.model import ResNet, network_spec
from kres.preprocessing import Preprocess
from kres.specs import Spec
from kres.weights import hub
from kres.weights.catalog import PUBLISHED
from kres.weights.convert import load_file
from kres.weights.files import open_tensors
from kres.weights.layout import Weights, locate
from kres.weights.matching import head_classes
from kres.weights.tags import find_published, published_name


def load_weights(
    model: keras.Model,
    source: str | os.PathLike[str],
    *,
    network: str | Spec | None = None,
    accept_licence: bool = False,
) -> None:
    """Load weights into a model in place: all of them or, with an error, none.

    Where only the number of classes differs, the head keeps its own values, everything else is loaded, and a line in
    the log says so. Published weights also bring the preprocessing that they were published with.

    A network for other than RGB images takes RGB's weights too, and a line in the log says so: of one channel the stem
    gets the sum of the three kernels, so that it gives on x what the RGB network gives on (x, x, x); of n channels,
    fewer or more, the three in turn (R, G, B, R, ...; B first where the network takes BGR) times 3 / n, so that it
    gives the same on n equal channels. That is timm's rule. Mean and standard deviation become RGB's averages. A stem
    that standardizes its kernel (BiT's) is refused: it would undo any such rule.

    Args:
        model: a network of `kres.build`.
        source: a published tag ("timm/resnet50.a1_in1k", "a1_in1k", or "imagenet" for the network's first), or a file:
            .safetensors or .pth under timm's and torchvision's names; .h5, .weights.h5 or .keras of keras.applications,
            KerasHub or kres; BiT's .npz. KerasHub's presets keep the head apart: it is read from the
            `task.weights.h5` beside a `model.weights.h5`. Or a folder in the Hugging Face hub's layout, as `kres.push`
            and timm write it, or "hf://owner/name", a repository there: these bring their preprocessing as well, and
            one that is published is what its tag is. What a folder, or a .keras file of kres, was made of published
            weights keeps their tag.
        network: what the model was built from, where the model does not know (one built on an `input_tensor`).
        accept_licence: take published weights whose licence forbids commercial use.

    Raises:
        ValueError: no network of kres; no such tag, or its licence was not accepted; the file is damaged, of another
            network, or holds NaN; or the network was fused and standardizes kernels no more.
        OSError: a file is missing or could not be downloaded.
        ImportError: a .pth file without PyTorch.
    """
    spec = network_spec(model, network)
    weights = find_weights(source, getattr(model, "network", network), accept_licence=accept_licence)
    load_file(model, weights.fetch(), spec=spec)
    if not isinstance(model, ResNet):
        return
    # Whose weights it holds, and how images reached those, at its own size and channels.
    model.weights_tag = weights.tag
    if weights.preprocess is not None:
        own = model.preprocess
        model.preprocess = dataclasses.replace(weights.preprocess, size=own.size).for_channels(len(own.mean))


def find_weights(
    source: str | os.PathLike[str],
    network: str | Spec | None,
    *,
    accept_licence: bool = False,
    spec: Spec | None = None,
) -> Weights:
    """What a user calls weights of a network, published or their own; nothing large is downloaded yet.

    A mere file does not say how many classes it is for: with the network's `spec`, its head is looked at.

    Raises:
        ValueError: as `load_weights`, for all but the content of the weights file.
        OSError: a folder lacks a file, or `config.json` could not be downloaded.
    """
    found = find_published(source, network, accept_licence=accept_licence)
    if found is None:
        weights = locate(source)
        if weights.classes is None and spec is not None:
            with open_tensors(weights.fetch()) as file:
                weights = dataclasses.replace(weights, classes=head_classes(file, spec))
        return weights
    name, published = found
    return Weights(
        fetch=lambda: hub.fetch(name, published),
        preprocess=published.preprocess,
        classes=published.classes,
        tag=f"{published.origin}/{name}",
    )


def preprocess(model_or_tag: keras.Model | str) -> Preprocess:
    """How images become inputs of a network of `kres.build`, or of published weights such as "resnet50.a1_in1k".

    Raises:
        ValueError: a model that kres.build did not make itself, or a tag that nothing is published under.
    """
    if isinstance(model_or_tag, str):
        return PUBLISHED[published_name(model_or_tag)].preprocess
    if not isinstance(model_or_tag, ResNet):
        raise ValueError(
            "Only a model that kres.build made, without `input_tensor`, knows its preprocessing. "
            f"Received: {type(model_or_tag).__name__}"
        )
    return model_or_tag.preprocess
