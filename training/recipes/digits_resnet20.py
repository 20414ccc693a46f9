"""ResNet-20 on the embedded handwritten digits, in one or two minutes on two CPU cores."""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as CIFAR
from kres.training.settings import About, Schedule, Watch

RECIPE = replace(
    CIFAR,
    name="digits_resnet20",
    about=About(paper="x", data="digits", hardware="x", expected="x"),
    network=replace(CIFAR.network, zero_init_residual=False),
    images=replace(CIFAR.images, mean=(0.304, 0.304, 0.304), std=(0.323, 0.323, 0.323)),
    batch_size=64,
    optimizer=replace(CIFAR.optimizer, weight_decay=1e-3),
    schedule=Schedule(unit="steps", length=1_000, kind="step", learning_rate=0.1, warmup=66, decay_at=(500, 750)),
    watch=Watch(log_every_steps=20, evaluate_every=100, checkpoint_every_steps=100),
)
