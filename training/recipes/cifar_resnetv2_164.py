"""Pre-activation ResNet-164 on CIFAR-10."""

from dataclasses import replace

from kres.training.recipes.cifar_resnetv2_110 import RECIPE as V2_110
from kres.training.settings import Network

RECIPE = replace(
    V2_110,
    name="cifar_resnetv2_164",
    about=replace(V2_110.about, expected="94.54 % of the test images right (table 2: 5.46 % error)"),
    network=Network(row="cifar_resnetv2_164"),
)
