"""Bag of tricks with mixup, for which it trains longer."""

from dataclasses import replace

from kres.training.recipes.resnet50d_bag_of_tricks import RECIPE as PLAIN

RECIPE = replace(
    PLAIN,
    name="resnet50d_bag_of_tricks_mixup",
    about=replace(PLAIN.about, expected="79.15 % top-1 at 224 (table 6)"),
    augmentation=replace(PLAIN.augmentation, mixup=0.2),
    schedule=replace(PLAIN.schedule, length=200),
)
