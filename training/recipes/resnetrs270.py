"""ResNet-RS-270 at 256 pixels."""

from dataclasses import replace

from kres.training.recipes.resnetrs50 import RECIPE as RS50

RECIPE = replace(
    RS50,
    name="resnetrs270",
    about=replace(RS50.about, expected="83.6 % top-1 at 256 (imagenet_resnetrs270_i256.yaml)"),
    network=replace(RS50.network, row="resnetrs270", dropout=0.25, drop_path=0.1),
    images=replace(RS50.images, train_size_px=256, test_size_px=256),
    augmentation=replace(RS50.augmentation, policy_magnitude=15),
)
