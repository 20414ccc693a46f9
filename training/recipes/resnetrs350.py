"""ResNet-RS-350 at 320 pixels."""

from dataclasses import replace

from kres.training.recipes.resnetrs50 import RECIPE as RS50

RECIPE = replace(
    RS50,
    name="resnetrs350",
    about=replace(RS50.about, expected="84.2 % top-1 at 320 (official/vision/MODEL_GARDEN.md)"),
    network=replace(RS50.network, row="resnetrs350", dropout=0.4, drop_path=0.1),
    images=replace(RS50.images, train_size_px=320, test_size_px=320),
    augmentation=replace(RS50.augmentation, policy_magnitude=15),
)
