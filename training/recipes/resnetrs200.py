"""ResNet-RS-200 at 256 pixels."""

from dataclasses import replace

from kres.training.recipes.resnetrs50 import RECIPE as RS50

RECIPE = replace(
    RS50,
    name="resnetrs200",
    about=replace(RS50.about, expected="83.5 % top-1 at 256 (official/vision/MODEL_GARDEN.md)"),
    network=replace(RS50.network, row="resnetrs200", dropout=0.25, drop_path=0.1),
    images=replace(RS50.images, train_size_px=256, test_size_px=256),
    augmentation=replace(RS50.augmentation, policy_magnitude=15),
)
