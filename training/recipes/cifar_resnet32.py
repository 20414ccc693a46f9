"""ResNet-32 on CIFAR-10: ResNet-20's recipe."""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as RESNET20

RECIPE = replace(
    RESNET20,
    name="cifar_resnet32",
    about=replace(RESNET20.about, expected="92.49 % of the test images right (table 6: 7.51 % error)"),
    network=replace(RESNET20.network, row="cifar_resnet32"),
)
