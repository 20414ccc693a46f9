"""ResNet-20 on the embedded handwritten digits, in one or two minutes on two CPU cores.

The paper's schedule on a short run, with a warm-up and, for want of images, a weight decay ten times as strong.
Residual branches start alive: at zero they cost the first 100 of 1,000 steps.
"""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as RESNET20
from kres.training.settings import About, Network, Schedule, Watch

RECIPE = replace(
    RESNET20,
    name="digits_resnet20",
    about=About(
        paper="After He, Zhang, Ren, Sun, Deep Residual Learning (arXiv 1512.03385), section 4.2",
        data="digits",
        hardware="2 CPU cores, one to two minutes",
        expected="99.0 to 99.7 % of 599 held-out digits right (six runs, seeds 0 to 2); a support-vector machine on "
        "the raw pixels: 99.33 %",
        departures="Length and weight decay were chosen with these digits in sight. Mean and standard deviation are "
        "those of the training split.",
    ),
    network=Network(row="cifar_resnet20", zero_init_residual=False),
    images=replace(RESNET20.images, mean=(0.304, 0.304, 0.304), std=(0.323, 0.323, 0.323)),
    batch_size=64,
    optimizer=replace(RESNET20.optimizer, weight_decay=1e-3),
    schedule=Schedule(unit="steps", length=1_000, kind="step", learning_rate=0.1, warmup=66, decay_at=(500, 750)),
    watch=Watch(log_every_steps=20, evaluate_every=100, checkpoint_every_steps=100),
)
