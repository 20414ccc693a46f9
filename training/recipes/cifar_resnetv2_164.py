"""Pre-activation ResNet-164 on CIFAR-10."""

from dataclasses import replace

from kres.training.recipes.cifar_resnetv2_110 import RECIPE as V2_110
from kres.training.settings import Network

RECIPE = replace(
    V2_110,
    name="cifar_resnetv2_164",
    about=replace(
        V2_110.about,
        expected="94.54 % of the test images right (table 2: 5.46 % error)",
        departures=V2_110.about.departures
        + " Bottlenecks stride in the 3x3; the authors' code for 1,001 layers strides in the first 1x1.",
    ),
    network=Network(row="cifar_resnetv2_164"),
)
