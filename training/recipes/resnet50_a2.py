"""ResNet strikes back, A2: 300 epochs."""

from dataclasses import replace

from kres.training.recipes.resnet50_a1 import RECIPE as A1

RECIPE = replace(
    A1,
    name="resnet50_a2",
    about=replace(A1.about, expected="79.8 % top-1 at 224 (paper, table 1; timm's weights a2_in1k: 79.828)"),
    augmentation=replace(A1.augmentation, mixup=0.1),
    optimizer=replace(A1.optimizer, weight_decay=0.02),
    schedule=replace(A1.schedule, length=300),
    loss=replace(A1.loss, label_smoothing=0.0),
)
