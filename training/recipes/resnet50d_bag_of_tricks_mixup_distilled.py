"""All of the bag of tricks: mixup and a teacher."""

from dataclasses import replace

from kres.training.recipes.resnet50d_bag_of_tricks_distilled import RECIPE as DISTILLED
from kres.training.recipes.resnet50d_bag_of_tricks_mixup import RECIPE as MIXUP

RECIPE = replace(
    MIXUP,
    name="resnet50d_bag_of_tricks_mixup_distilled",
    about=replace(DISTILLED.about, expected="79.29 % top-1 at 224 (table 6)"),
    loss=DISTILLED.loss,
)
