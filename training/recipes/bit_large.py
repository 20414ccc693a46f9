"""BiT-HyperRule for 500,000 images and more: 20,000 steps and mixup."""

from dataclasses import replace

from kres.training.recipes.bit_medium import RECIPE as MEDIUM
from kres.training.recipes.bit_small import RECIPE as SMALL

RECIPE = replace(
    MEDIUM,
    name="bit_large",
    about=replace(
        MEDIUM.about,
        data="imagenet2012",
        expected="80.68 % on ImageNet (README.md of the code); 85.39 with BiT-M-R152x4 (table 1)",
        departures=MEDIUM.about.departures
        + " Sizes are the code's; the paper has 448 and 384 for all but its largest network.",
    ),
    images=SMALL.images,
    augmentation=replace(MEDIUM.augmentation, side_px=(512, 512)),
    schedule=replace(MEDIUM.schedule, length=20_000, decay_at=(6_000, 12_000, 18_000)),
)
