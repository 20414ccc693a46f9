"""ResNeXt on ImageNet. Set `network.row` for the other widths."""

from dataclasses import replace

from kres.training.recipes._bases import FAIR_COLOR, IMAGENET, IMAGENET_224, TORCHVISION_V1
from kres.training.settings import About, Network, Schedule

RECIPE = replace(
    TORCHVISION_V1,
    name="resnext50_32x4d_xie2017",
    about=About(
        paper="Xie et al., Aggregated Residual Transformations (arXiv 1611.05431), section 4; what it leaves open as "
        "in its code, facebookresearch/ResNeXt",
        data=IMAGENET,
        hardware="8 GPUs of 32 images each",
        expected="77.8 % top-1 at 224 (table 3)",
        departures="Images are reduced with antialiasing, which Torch's bicubic resize has not.",
    ),
    network=Network(row="resnext50_32x4d"),
    images=replace(IMAGENET_224, interpolation="bicubic"),
    augmentation=FAIR_COLOR,
    optimizer=replace(TORCHVISION_V1.optimizer, nesterov=True),
    schedule=Schedule(unit="epochs", length=100, kind="step", learning_rate=0.1, decay_at=(30, 60, 90)),
)
