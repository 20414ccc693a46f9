"""ResNet-1202 on CIFAR-10: ResNet-110's recipe."""

from dataclasses import replace

from kres.training.recipes.cifar_resnet110 import RECIPE as RESNET110

RECIPE = replace(
    RESNET110,
    name="cifar_resnet1202",
    about=replace(RESNET110.about, expected="92.07 % of the test images right (table 6: 7.93 % error)"),
    network=replace(RESNET110.network, row="cifar_resnet1202"),
)
