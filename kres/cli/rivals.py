"""The networks that `kres compare` knows by name: rows of the zoo, keras.applications, and KerasHub's ViTs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

import kres
from kres.lookup import look_up
from kres.weights import PUBLISHED, network_of, tags_of

# Percent; keras.io/api/applications, "Available models", which states none for the networks that are not here.
KERAS_TOP1: Mapping[str, float] = {
    "Xception": 79.0,
    "VGG16": 71.3,
    "VGG19": 71.3,
    "ResNet50": 74.9,
    "ResNet50V2": 76.0,
    "ResNet101": 76.4,
    "ResNet101V2": 77.2,
    "ResNet152": 76.6,
    "ResNet152V2": 78.0,
    "InceptionV3": 77.9,
    "InceptionResNetV2": 80.3,
    "MobileNet": 70.4,
    "MobileNetV2": 71.3,
    "DenseNet121": 75.0,
    "DenseNet169": 76.2,
    "DenseNet201": 77.3,
    "NASNetMobile": 74.4,
    "NASNetLarge": 82.5,
}
# Where keras.applications leaves the size open.
OPEN_SIZE = 224


@dataclass(frozen=True)
class ViT:
    """A Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929, table 1)."""

    patch_size: int
    image_size: int
    layers: int
    heads: int
    width: int


_BASE, _LARGE, _HUGE = (12, 12, 768), (24, 16, 1024), (32, 16, 1280)
# KerasHub's presets. Their configurations are downloads; the architectures are the paper's.
VITS: Mapping[str, ViT] = {
    "vit_base_patch16_224_imagenet": ViT(16, 224, *_BASE),
    "vit_base_patch16_384_imagenet": ViT(16, 384, *_BASE),
    "vit_base_patch32_384_imagenet": ViT(32, 384, *_BASE),
    "vit_base_patch16_224_imagenet21k": ViT(16, 224, *_BASE),
    "vit_base_patch32_224_imagenet21k": ViT(32, 224, *_BASE),
    "vit_large_patch16_224_imagenet": ViT(16, 224, *_LARGE),
    "vit_large_patch16_384_imagenet": ViT(16, 384, *_LARGE),
    "vit_large_patch32_384_imagenet": ViT(32, 384, *_LARGE),
    "vit_large_patch16_224_imagenet21k": ViT(16, 224, *_LARGE),
    "vit_large_patch32_224_imagenet21k": ViT(32, 224, *_LARGE),
    "vit_huge_patch14_224_imagenet21k": ViT(14, 224, *_HUGE),
}


@dataclass(frozen=True)
class Rival:
    """A network to compare: how it is built with random weights at a size (None: its own), and its published top-1."""

    name: str
    build: Callable[[int | None], keras.Model]
    top1: float | None
    """Percent on ImageNet's validation set, at the publisher's size; None where none is published."""


def find(name: str) -> Rival:
    """A row of the zoo, a row's published weights `row.tag`, a keras.applications class in any case, or a KerasHub ViT.

    Raises:
        ValueError: no network has that name, or two have it.
    """
    applications = {key.lower(): key for key in dir(keras.applications) if key[0].isupper()}
    rows = kres.list_models()
    prefix, _, bare = name.rpartition(".")
    if prefix == "keras.applications":
        return _application(look_up(applications, bare.lower(), what="network in keras.applications"))
    if network_of(name) in rows:
        return _row(name)
    if name.lower() in VITS:
        return Rival(name.lower(), partial(_build_vit, name.lower()), None)
    if name.lower() in applications and name.lower() in rows:
        raise ValueError(
            f"Two networks have that name: write {name.lower()} for the row of `kres list`, or "
            f"keras.applications.{applications[name.lower()]}. Received: {name!r}"
        )
    if name.lower() in applications:
        return _application(applications[name.lower()])
    everything = {key.lower(): key for key in (*rows, *applications.values(), *VITS)}
    look_up({shown: shown for shown in everything}, name.lower(), what="network")
    raise AssertionError(name)


def _row(name: str) -> Rival:
    network = network_of(name)
    weights = look_up(PUBLISHED, name, what="published weights") if network != name else None
    if weights is None and (tags := tags_of(network)):
        weights = PUBLISHED[next(iter(tags.values()))]
    return Rival(name, partial(_build_row, network), None if weights is None else weights.top1)


def _application(name: str) -> Rival:
    return Rival(name, partial(_build_application, name), KERAS_TOP1.get(name))


def _shape(size: int | None) -> tuple[int, int, int] | None:
    return None if size is None else (size, size, 3)


def _build_row(network: str, size: int | None) -> keras.Model:
    # Hundreds of fresh residual branches add up to infinity; branches that begin at zero do not.
    return kres.build(network, input_shape=_shape(size), zero_init_residual=True)


def _build_application(name: str, size: int | None) -> keras.Model:
    constructor = getattr(keras.applications, name)
    model = constructor(weights=None, input_shape=_shape(size))
    if None in model.inputs[0].shape[1:]:
        model = constructor(weights=None, input_shape=_shape(OPEN_SIZE))
    return model


def _build_vit(name: str, size: int | None) -> keras.Model:
    models = _keras_hub().models
    vit = VITS[name]
    size = size or vit.image_size
    if size % vit.patch_size:
        raise ValueError(f"The size of {name} is a multiple of {vit.patch_size} pixels. Received: image_size={size}")
    backbone = models.ViTBackbone(
        image_shape=(size, size, 3),
        patch_size=vit.patch_size,
        num_layers=vit.layers,
        num_heads=vit.heads,
        hidden_dim=vit.width,
        mlp_dim=4 * vit.width,
    )
    return models.ViTImageClassifier(backbone, num_classes=1000, activation="softmax")


def _keras_hub() -> Any:
    try:
        import keras_hub
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("a ViT is built by KerasHub: pip install 'kres[hub]'") from error
    return keras_hub
