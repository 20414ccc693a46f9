"""Where a recipe comes from, and what a run reports and keeps."""

from dataclasses import dataclass
from typing import Annotated, Literal

from kres.training.settings.conditions import Under
from kres.training.settings.parts.base import Part
from kres.training.settings.values import BelowOne, Count, CountOrNone, Positive

Averaged = Under("ema_decay")


@dataclass(frozen=True, kw_only=True)
class About(Part):
    """Where a recipe comes from and what it is expected to reach; nothing here changes the run."""

    paper: str
    """Authors, title, arXiv number, section or table."""
    data: str
    """The data set it is meant for, as `--data` takes it."""
    hardware: str
    """What the source trained on."""
    expected: str
    """The published score, with its source."""
    departures: str = ""
    """Where the recipe differs from its source, and why."""


@dataclass(frozen=True, kw_only=True)
class Averaging(Part):
    """What is evaluated and kept beside the last weights."""

    ema_decay: BelowOne = 0.0
    """Decay of the moving average of weights and norm statistics; 0: off."""
    ema_every_steps: Annotated[Count, Averaged] = 1
    ema_start: Annotated[Literal["full", "ramp", "after_warmup"], Averaged] = "full"
    """`ramp`: the decay of update t is at most (1 + t) / (10 + t) (TF model garden); `after_warmup`: the average
    follows the weights while the rate warms up (torchvision)."""
    reestimate_images: CountOrNone = 0
    """Training images over which norm statistics are taken anew at the end (Wu & Johnson 2021); 0: moving ones stay."""


@dataclass(frozen=True, kw_only=True)
class Watch(Part):
    """How often a run reports, is evaluated and is kept."""

    log_every_steps: Count = 100
    evaluate_every: Positive = 1.0
    """In the schedule's unit."""
    checkpoint_every_steps: Count = 1000
    keep_checkpoints: Count = 3
    best_by: Literal["accuracy", "loss"] = "accuracy"
    """Test metric whose best checkpoint stays besides."""
