"""What is said of one file of published weights."""

from dataclasses import dataclass
from typing import Literal

from kres.preprocessing import Preprocess


@dataclass(frozen=True, kw_only=True)
class Published:
    """One file of published weights."""

    origin: Literal["timm", "torchvision", "keras", "kerashub", "bit"]
    file: str = "model.safetensors"
    head_file: str | None = None
    """The file beside it that holds the classifier, where the publisher keeps that apart."""
    licence: str | None
    """SPDX identifier; None where the publisher names none."""
    classes: int = 1000
    """0 for a file without a classifier."""
    preprocess: Preprocess
    """What images went through for `top1`."""
    top1: float | None = None
    """Published accuracy on ImageNet's validation set, in percent; None where none is published."""
    md5: str | None = None
    """Where the publisher gives one."""
    sha256: str | None = None
    """Where the publisher gives one: all of it, or its first eight or more hexadecimal digits."""
    size_bytes: int | None = None

    @property
    def non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return is_non_commercial(self.licence)


def is_non_commercial(licence: str | None) -> bool:
    """Whether a licence of that name forbids commercial use, as Creative Commons' with NC in their names do."""
    return licence is not None and "-nc" in licence.lower()
