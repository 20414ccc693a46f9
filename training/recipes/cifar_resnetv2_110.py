"""Pre-activation ResNet-110 on CIFAR-10."""

from dataclasses import replace

from kres.training.recipes.cifar_resnet110 import RECIPE as RESNET110
from kres.training.settings import About, Network

RECIPE = replace(
    RESNET110,
    name="cifar_resnetv2_110",
    about=About(
        paper="He, Zhang, Ren, Sun, Identity Mappings (arXiv 1603.05027), section 4 and appendix",
        data="cifar10",
        hardware="2 GPUs of 64 images each",
        expected="93.63 % of the test images right (table 2: 6.37 % error, median of five runs)",
        departures="A mean and a standard deviation a channel instead of a mean a pixel. The classifier's bias does "
        "not decay.",
    ),
    network=Network(row="cifar_resnetv2_110"),
)
