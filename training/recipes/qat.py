"""Quantization-aware training of a trained network: short, at a low rate, on images as evaluation sees them.

Batch norms are folded and stay so: what is trained is what the int8 file computes.
"""

from kres.training.recipes._bases import BICUBIC_224
from kres.training.settings import (
    About,
    Augmentation,
    Network,
    Optimizer,
    Quantization,
    Recipe,
    Schedule,
    Watch,
)

RECIPE = Recipe(
    name="qat",
    about=About(
        paper="Jacob et al. 2018 (arXiv 1712.05877, section 3); its schedule is chosen here",
        data="./images",
        hardware="one device",
        expected="the float network's own accuracy, nearly, in int8; nothing is published",
    ),
    network=Network(row="resnet50", weights="a1_in1k"),
    images=BICUBIC_224,
    augmentation=Augmentation(crop="none", flip=False),
    batch_size=32,
    optimizer=Optimizer(kind="adamw", weight_decay=0.0, epsilon=1e-8, clip_norm=1.0),
    schedule=Schedule(unit="epochs", length=3, least_steps=200, kind="cosine", learning_rate=1e-4),
    watch=Watch(log_every_steps=20, checkpoint_every_steps=200),
    quantization=Quantization(),
)
