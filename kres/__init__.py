"""ResNets for Keras 3: every published residual network behind one signature, from constructor to phone."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kres.constructors import (
    CifarResNet20,
    CifarResNet20B,
    CifarResNet20C,
    CifarResNet32,
    CifarResNet32B,
    CifarResNet32C,
    CifarResNet44,
    CifarResNet44B,
    CifarResNet44C,
    CifarResNet56,
    CifarResNet56B,
    CifarResNet56C,
    CifarResNet110,
    CifarResNet110B,
    CifarResNet110C,
    CifarResNet110V2,
    CifarResNet164V2,
    CifarResNet1001V2,
    CifarResNet1202,
    CifarResNet1202B,
    CifarResNet1202C,
    KerasResNet50,
    KerasResNet50V2,
    KerasResNet101,
    KerasResNet101V2,
    KerasResNet152,
    KerasResNet152V2,
    PlainNet18,
    PlainNet20,
    PlainNet32,
    PlainNet34,
    PlainNet44,
    PlainNet56,
    PlainNet110,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet50V2,
    ResNet101,
    ResNet101V2,
    ResNet152,
    ResNet152V2,
    ResNeXt50,
    ResNeXt101,
    ResNeXt101_64x4d,
)
from kres.lookup import list_models, spec
from kres.model import ResNet, build
from kres.preprocessing import Preprocess
from kres.specs import Spec
from kres.weights import load_weights, preprocess

if TYPE_CHECKING:
    from kres import export, training

__version__ = "0.1.0"

_ON_FIRST_USE = ("training", "export")

__all__ = [
    "CifarResNet20",
    "CifarResNet20B",
    "CifarResNet20C",
    "CifarResNet32",
    "CifarResNet32B",
    "CifarResNet32C",
    "CifarResNet44",
    "CifarResNet44B",
    "CifarResNet44C",
    "CifarResNet56",
    "CifarResNet56B",
    "CifarResNet56C",
    "CifarResNet110",
    "CifarResNet110B",
    "CifarResNet110C",
    "CifarResNet110V2",
    "CifarResNet164V2",
    "CifarResNet1001V2",
    "CifarResNet1202",
    "CifarResNet1202B",
    "CifarResNet1202C",
    "KerasResNet50",
    "KerasResNet50V2",
    "KerasResNet101",
    "KerasResNet101V2",
    "KerasResNet152",
    "KerasResNet152V2",
    "PlainNet18",
    "PlainNet20",
    "PlainNet32",
    "PlainNet34",
    "PlainNet44",
    "PlainNet56",
    "PlainNet110",
    "Preprocess",
    "ResNeXt50",
    "ResNeXt101",
    "ResNeXt101_64x4d",
    "ResNet",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet50V2",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "Spec",
    "build",
    "export",
    "list_models",
    "load_weights",
    "preprocess",
    "spec",
    "training",
]


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return import_module(f"kres.{name}")
    raise AttributeError(f"module 'kres' has no attribute {name!r}")
