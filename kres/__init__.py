"""ResNets for Keras 3: every published residual network behind one signature, from constructor to phone.

Each row of `list_models()` has a constructor here: `ResNet50`, `ResNeXt101_64x4d`, `CifarResNet20`, ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kres.constructors import CONSTRUCTORS
from kres.decoding import decode_predictions
from kres.finetuning import freeze, replace_head, unfreeze
from kres.folding import fuse
from kres.lookup import spec
from kres.model import ResNet, build
from kres.preprocessing import Preprocess, PreprocessLayer
from kres.profiling import LayerProfile, Profile, profile
from kres.pyramid import features
from kres.specs import Spec
from kres.version import __version__ as __version__
from kres.weights import Measured, export_weights, list_models, load_weights, preprocess, push

if TYPE_CHECKING:
    from kres import export, training

_ON_FIRST_USE = ("training", "export")

globals().update(CONSTRUCTORS)

__all__ = [
    "LayerProfile",
    "Measured",
    "Preprocess",
    "PreprocessLayer",
    "Profile",
    "ResNet",
    "Spec",
    "build",
    "decode_predictions",
    "export",
    "export_weights",
    "features",
    "freeze",
    "fuse",
    "list_models",
    "load_weights",
    "preprocess",
    "profile",
    "push",
    "replace_head",
    "spec",
    "training",
    "unfreeze",
]
__all__ += list(CONSTRUCTORS)


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return import_module(f"kres.{name}")
    raise AttributeError(f"module 'kres' has no attribute {name!r}")
