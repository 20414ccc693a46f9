"""What a recipe is made of: its typed parts, their checks, and how one is changed from the command line or shrunk."""

from kres.training.settings.parts import (
    About,
    Augmentation,
    Averaging,
    Images,
    Loss,
    Network,
    Optimizer,
    Quantization,
    Schedule,
    Watch,
)
from kres.training.settings.recipe import Recipe

__all__ = [
    "About",
    "Augmentation",
    "Averaging",
    "Images",
    "Loss",
    "Network",
    "Optimizer",
    "Quantization",
    "Recipe",
    "Schedule",
    "Watch",
]
