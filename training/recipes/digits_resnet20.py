"""ResNet-20 on the embedded handwritten digits: He et al. 2015 (arXiv 1512.03385), section 4.2, in two minutes.

Command: `kres train digits_resnet20 --data digits --workdir runs/digits`.
Hardware: 2 CPU cores, about 2 minutes.
Expected: 99.3 to 99.5 % of the 599 held-out digits (seeds 0, 1, 2: 99.33, 99.33, 99.50); a support-vector machine on
the raw pixels reaches 99.33 % there.

The schedule keeps the paper's steps (divided by 10 at one half and at three quarters) on a short run with a warm-up
and, for want of images, a weight decay five times as strong; the mean and standard deviation are those of the training
split.
"""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as CIFAR_RESNET20

RECIPE = replace(
    CIFAR_RESNET20,
    name="digits_resnet20",
    mean=(0.304, 0.304, 0.304),
    std=(0.323, 0.323, 0.323),
    batch_size=64,
    steps=1_000,
    warmup_steps=66,
    decay_at_steps=(500, 750),
    weight_decay=5e-4,
    log_every_steps=20,
    evaluate_every_steps=100,
    checkpoint_every_steps=100,
)
