"""ResNet-RS-420 at 320 pixels."""

from dataclasses import replace

from kres.training.recipes.resnetrs50 import RECIPE as RS50

RECIPE = replace(
    RS50,
    name="resnetrs420",
    about=replace(RS50.about, expected="84.4 % top-1 at 320 (paper, table 7)"),
    network=replace(RS50.network, row="resnetrs420", dropout=0.4, drop_path=0.1),
    images=replace(RS50.images, train_size_px=320, test_size_px=320),
    augmentation=replace(RS50.augmentation, policy_magnitude=15),
)
