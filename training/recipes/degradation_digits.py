"""Nets of 8 and 26 layers for `kres degradation` on the embedded digits: 240 steps each, at 16 pixels, half as wide."""

from dataclasses import replace

from kres.training.recipes.degradation_cifar10 import RECIPE as CIFAR10
from kres.training.settings import About, Schedule, Watch

RECIPE = replace(
    CIFAR10,
    name="degradation_digits",
    about=About(
        paper="After He, Zhang, Ren, Sun, Deep Residual Learning (arXiv 1512.03385), section 4.2",
        data="digits",
        hardware="2 CPU cores, about a minute and a half for 12 nets",
        expected="Training losses at the end, seeds 0 to 7: plain nets of 8 layers 0.27 to 0.59, of 26 layers 1.24 to "
        "1.68; residual nets of 8 layers 0.25 to 0.38, of 26 layers 0.13 to 0.22",
        departures="Size, width, length and rate were chosen with these digits in sight, so that the experiment is "
        "short. Mean and standard deviation are those of the training split.",
    ),
    network=replace(CIFAR10.network, width=0.5),
    images=replace(
        CIFAR10.images, train_size_px=16, test_size_px=16, mean=(0.304, 0.304, 0.304), std=(0.323, 0.323, 0.323)
    ),
    augmentation=replace(CIFAR10.augmentation, padding_px=2),
    batch_size=32,
    schedule=Schedule(unit="steps", length=240, kind="step", learning_rate=0.04, warmup=40, decay_at=(120, 180)),
    watch=Watch(log_every_steps=12, evaluate_every=240, checkpoint_every_steps=240, keep_checkpoints=1),
)
