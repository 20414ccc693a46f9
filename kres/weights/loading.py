"""From what a user calls weights, a path or a published tag, to a model that holds them."""

import dataclasses
import os
from pathlib import Path

import keras

from kres.lookup import look_up
from kres.lookup import spec as look_up_spec
from kres.model import ResNet
from kres.preprocessing import Preprocess
from kres.specs import Spec
from kres.weights import hub
from kres.weights.catalog import DEFAULT, PUBLISHED
from kres.weights.convert import load_file
from kres.weights.files import SUFFIXES


def load_weights(model: keras.Model, source: str | os.PathLike[str], *, network: str | Spec | None = None) -> None:
    """Load weights into a model in place: all of them or, with an error, none.

    Where only the number of classes differs, the head keeps its own values, everything else is loaded, and a line in
    the log says so. Published weights also bring the preprocessing that they were published with.

    Args:
        model: a network of `kres.build`.
        source: a published tag ("timm/resnet50.a1_in1k", "a1_in1k", or "imagenet" for the network's first), or a file:
            .safetensors or .pth under timm's and torchvision's names; .h5, .weights.h5 or .keras of keras.applications
            or of kres.
        network: what the model was built from, where the model does not know (one built on an `input_tensor`).

    Raises:
        ValueError: no such tag, or the file is damaged, of another network, or holds NaN.
        OSError: the file is missing, is a directory, or could not be downloaded.
        ImportError: a .pth file without PyTorch.
    """
    network = network or getattr(model, "network", None)
    if network is None:
        raise ValueError(
            "A model that kres.build did not make itself needs `network`, the row or Spec it was built from. "
            f"Received: model={model.name!r}, network=None"
        )
    spec = look_up_spec(network) if isinstance(network, str) else network
    if _is_path(source):
        load_file(model, Path(source).expanduser(), spec=spec)
        if isinstance(model, ResNet):
            model.weights_tag = None
        return
    name = published_name(str(source), network if isinstance(network, str) else None)
    published = PUBLISHED[name]
    load_file(model, hub.fetch(name, published), spec=spec)
    if isinstance(model, ResNet):
        model.weights_tag = f"{published.origin}/{name}"
        model.preprocess = dataclasses.replace(published.preprocess, size=model.preprocess.size)


def _is_path(source: str | os.PathLike[str]) -> bool:
    if isinstance(source, os.PathLike):
        return True
    if not isinstance(source, str) or not source:
        raise ValueError(f"A weights source is a tag or a path. Received: source={source!r}")
    return source.lower().endswith(tuple(SUFFIXES)) or Path(source).expanduser().exists()


def published_name(source: str, row: str | None = None) -> str:
    """The catalogue's name, "resnet50.a1_in1k", of "timm/resnet50.a1_in1k" or, with the row known, of a mere tag.

    Raises:
        ValueError: nothing is published under that name, or not for this row.
    """
    origin, _, tag = source.rpartition("/")
    ours = {name.partition(".")[2]: name for name in PUBLISHED if name.partition(".")[0] == row}
    if tag == DEFAULT and ours:
        tag = next(iter(ours))
    name = ours.get(tag, tag)
    if name not in PUBLISHED and row is not None:
        known = f"Published for {row}: {', '.join(ours) or 'nothing'}."
        raise ValueError(
            f"That is no published tag of {row} and no file ({', '.join(SUFFIXES)}). {known} Received: {source!r}"
        )
    published = look_up(PUBLISHED, name, what="published weights file")
    if origin not in ("", published.origin):
        raise ValueError(f"{name} is published by {published.origin!r}. Received: {source!r}")
    if row is not None and name not in ours.values():
        raise ValueError(f"{name} is of another network than {row}. Received: {source!r}")
    return name


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
