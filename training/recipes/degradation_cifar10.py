"""Nets of every depth for `kres degradation` on CIFAR-10: one schedule for all of them, as He et al. 2015 trained them.

A net takes the paper's 64,000 steps of 128 images. The experiment puts in the network's row and depth.
"""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as RESNET20

RECIPE = replace(
    RESNET20,
    name="degradation_cifar10",
    about=replace(
        RESNET20.about,
        paper="He, Zhang, Ren, Sun, Deep Residual Learning (arXiv 1512.03385), section 4.2 and figure 6",
        expected="The plain net of 56 layers ends with a higher training error than that of 20 (figures 1 and 6), the "
        "residual net of 56 with a lower one than that of 20; their test errors are 6.97 and 8.75 % (table 6)",
        departures="A mean and a standard deviation a channel instead of a mean a pixel. All 50,000 training images; "
        "the paper holds 5,000 back. The classifier's bias does not decay. No warm-up, which the paper has for 110 "
        "layers.",
    ),
    network=replace(RESNET20.network, zero_init_residual=False),
    watch=replace(RESNET20.watch, evaluate_every=8_000),
)
