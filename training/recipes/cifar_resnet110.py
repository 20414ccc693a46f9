"""ResNet-110 on CIFAR-10: ResNet-20's recipe behind a warm-up at a tenth of the rate."""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as RESNET20

RECIPE = replace(
    RESNET20,
    name="cifar_resnet110",
    about=replace(
        RESNET20.about,
        expected="93.57 % of the test images right (table 6: 6.43 % error, 6.61 +- 0.16 in five runs)",
        departures=RESNET20.about.departures
        + " The warm-up ends after 400 steps; the paper ends it when the training error is below 80 %, about then.",
    ),
    network=replace(RESNET20.network, row="cifar_resnet110"),
    schedule=replace(RESNET20.schedule, warmup=400, warmup_kind="constant", warmup_learning_rate=0.01),
)
