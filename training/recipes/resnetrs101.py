"""ResNet-RS-101 at 192 pixels."""

from dataclasses import replace

from kres.training.recipes.resnetrs50 import RECIPE as RS50

RECIPE = replace(
    RS50,
    name="resnetrs101",
    about=replace(RS50.about, expected="81.3 % top-1 at 192 (official/vision/MODEL_GARDEN.md)"),
    network=replace(RS50.network, row="resnetrs101", dropout=0.25),
    images=replace(RS50.images, train_size_px=192, test_size_px=192),
    augmentation=replace(RS50.augmentation, policy_magnitude=15),
)
