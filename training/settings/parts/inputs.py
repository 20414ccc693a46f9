"""What the network sees of the images."""

from dataclasses import dataclass
from typing import Annotated, Literal

from kres.training.settings.conditions import Under, UnderAny
from kres.training.settings.parts.base import Part
from kres.training.settings.values import Bound, Count, CountOrNone, NotNegative, Positive, Share

Interpolation = Literal["bilinear", "bicubic", "nearest"]
Crop = Literal["none", "pad", "random_area", "random_side"]
Policy = Literal["none", "randaugment", "trivialaugment", "autoaugment"]

RandomArea = Under("crop", ("random_area",))
RandAugment = Under("policy", ("randaugment",))
Mixed = UnderAny((Under("mixup"), Under("cutmix")))


@dataclass(frozen=True, kw_only=True)
class Images(Part):
    """How images reach the network, in training and in evaluation."""

    train_size_px: Count
    test_size_px: Count
    """Larger than `train_size_px` under FixRes (Touvron et al. 2019)."""
    progressive_px: tuple[Count, ...] = ()
    """Training sizes of equal parts of the run, before `train_size_px`, which is the last part's."""
    crop: Annotated[float, Bound(above=0, high=1)]
    """Share of the resized shorter side that evaluation keeps."""
    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]
    """Of each channel, of pixels in 0..1, in the order that the network takes them."""
    interpolation: Interpolation = "bilinear"
    order: Literal["rgb", "bgr"] = "rgb"
    """Of the channels as the network takes them: keras.applications' ResNets take blue first."""

    @property
    def training_sizes_px(self) -> tuple[int, ...]:
        """Those of a run, in their order."""
        return (*self.progressive_px, self.train_size_px)


@dataclass(frozen=True, kw_only=True)
class Augmentation(Part):
    """What happens to a training image; numbers come from the seed and the example's place in the run alone."""

    crop: Crop
    """`none`: as in evaluation; `pad`: zero padding, then a random crop (He et al. 2015, section 4.2); `random_area`:
    a random share of the area at a random aspect (Szegedy et al. 2015); `random_side`: the shorter side at a random
    length, then a random crop (He et al. 2015, section 3.4)."""
    padding_px: Annotated[CountOrNone, Under("crop", ("pad",))] = 0
    area: Annotated[tuple[Share, Share], RandomArea] = (0.08, 1.0)
    """Smallest and largest share of the area under `random_area`."""
    aspect: Annotated[tuple[Positive, Positive], RandomArea] = (3 / 4, 4 / 3)
    """Smallest and largest width over height under `random_area`."""
    side_px: Annotated[tuple[Count, Count], Under("crop", ("random_side",))] = (256, 480)
    """Shortest and longest shorter side under `random_side`."""
    flip: bool = True
    """Left-right, every second image, where the data say that it keeps the label."""
    color_jitter: Share = 0.0
    """Brightness, contrast and saturation are each scaled by a number in 1 - this .. 1 + this."""
    lighting: NotNegative = 0.0
    """Standard deviation of AlexNet's noise along the principal colours (Krizhevsky et al. 2012), pixels in 0..1."""
    policy: Policy = "none"
    """RandAugment (Cubuk et al. 2020), TrivialAugment wide (Müller & Hutter 2021), AutoAugment (Cubuk et al. 2019)."""
    policy_operations: Annotated[Count, RandAugment] = 2
    """RandAugment's N."""
    policy_magnitude: Annotated[float, Bound(low=0, high=30), RandAugment] = 9.0
    """RandAugment's M, in tenths of an operation's range; ResNet-RS goes to 15."""
    policy_magnitude_std: Annotated[NotNegative, RandAugment] = 0.0
    """Of the normal noise on the magnitude."""
    policy_probability: Annotated[Share, RandAugment] = 1.0
    """That each of RandAugment's operations is applied."""
    repeats: Count = 1
    """Augmented copies of an image, which come one after the other: nearly always in one batch (Hoffer et al. 2020). An
    epoch sees as many images as ever, copies counted: one in `repeats` of the data. The next goes on with others (the
    samplers of timm and torchvision draw anew)."""
    mixup: NotNegative = 0.0
    """Alpha of the Beta distribution (Zhang et al. 2018); 0: off."""
    cutmix: NotNegative = 0.0
    """Alpha of the Beta distribution (Yun et al. 2019); 0: off."""
    mix_probability: Annotated[Share, Mixed] = 1.0
    """That a batch is mixed at all."""
    mix_switch: Annotated[Share, Under("mixup"), Under("cutmix")] = 0.5
    """That a mixed batch takes cutmix, where both are on."""
    erase: Share = 0.0
    """Probability of random erasing (Zhong et al. 2020)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("area", "aspect", "side_px"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must hold the smaller first, above 0. Received: {name}={(low, high)!r}")
