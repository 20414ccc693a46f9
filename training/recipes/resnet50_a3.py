"""ResNet strikes back, A3: 100 epochs at 160 pixels, evaluated at 224."""

from dataclasses import replace

from kres.training.recipes.resnet50_a2 import RECIPE as A2

RECIPE = replace(
    A2,
    name="resnet50_a3",
    about=replace(
        A2.about,
        expected="78.1 % top-1 at 224 (paper, table 1; timm's weights a3_in1k: 78.052)",
        departures="The rate changes every step, in timm every epoch, and timm's default of ten more epochs at the "
        "lowest rate is left out. Training images are resized bicubic, as in MMPretrain; timm draws bilinear or "
        "bicubic. RandAugment chooses among Cubuk et al.'s 14 operations; timm's 15 have inversion and adding to what "
        "is dark for identity.",
    ),
    network=replace(A2.network, drop_path=0.0),
    images=replace(A2.images, train_size_px=160),
    augmentation=replace(A2.augmentation, policy_magnitude=6, repeats=1),
    schedule=replace(A2.schedule, length=100, learning_rate=8e-3),
)
