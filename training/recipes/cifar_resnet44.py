"""ResNet-44 on CIFAR-10: ResNet-20's recipe."""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as RESNET20

RECIPE = replace(
    RESNET20,
    name="cifar_resnet44",
    about=replace(RESNET20.about, expected="92.83 % of the test images right (table 6: 7.17 % error)"),
    network=replace(RESNET20.network, row="cifar_resnet44"),
)
