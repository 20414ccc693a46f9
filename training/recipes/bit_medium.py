"""BiT-HyperRule for 20,000 to 500,000 images: 10,000 steps and mixup."""

from dataclasses import replace

from kres.training.recipes.bit_small import RECIPE as SMALL

RECIPE = replace(
    SMALL,
    name="bit_medium",
    about=replace(
        SMALL.about,
        data="cifar10",
        expected="97.2 to 97.4 % on CIFAR-10 (README.md of the code, in batches of 128 at a rate of 0.001); 98.91 with "
        "BiT-M-R152x4 (table 1)",
        departures="The sides of an image keep their proportion, and evaluation cuts the centre.",
    ),
    images=replace(SMALL.images, train_size_px=128, test_size_px=128),
    augmentation=replace(SMALL.augmentation, side_px=(160, 160), mixup=0.1),
    schedule=replace(SMALL.schedule, length=10_000, warmup=500, decay_at=(3_000, 6_000, 9_000)),
    watch=replace(SMALL.watch, log_every_steps=100, evaluate_every=1_000, checkpoint_every_steps=1_000),
)
