"""The larger ResNeXt on ImageNet."""

from dataclasses import replace

from kres.training.recipes.resnext50_32x4d_xie2017 import RECIPE as RESNEXT50
from kres.training.settings import Network

RECIPE = replace(
    RESNEXT50,
    name="resnext101_64x4d_xie2017",
    about=replace(RESNEXT50.about, expected="79.6 % top-1 at 224 (table 5)"),
    network=Network(row="resnext101_64x4d"),
)
