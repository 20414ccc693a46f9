"""The parts of a recipe: plain typed values, each field with its unit and its source."""

from kres.training.settings.parts.base import Part
from kres.training.settings.parts.inputs import Augmentation, Images
from kres.training.settings.parts.keeping import About, Averaging, Watch
from kres.training.settings.parts.learning import Loss, LossKind, Optimizer, OptimizerKind, Schedule, ScheduleKind, Unit
from kres.training.settings.parts.network import Dtype, Network
from kres.training.settings.parts.quantization import Quantization

__all__ = [
    "About",
    "Augmentation",
    "Averaging",
    "Dtype",
    "Images",
    "Loss",
    "LossKind",
    "Network",
    "Optimizer",
    "OptimizerKind",
    "Part",
    "Quantization",
    "Schedule",
    "ScheduleKind",
    "Unit",
    "Watch",
]
