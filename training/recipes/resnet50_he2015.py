"""He et al. 2015 on ImageNet. Set `network.row` for the other depths."""

from dataclasses import replace

from kres.training.recipes._bases import IMAGENET, TORCHVISION_V1
from kres.training.settings import About, Augmentation, Schedule

RECIPE = replace(
    TORCHVISION_V1,
    name="resnet50_he2015",
    about=About(
        paper="He, Zhang, Ren, Sun, Deep Residual Learning (arXiv 1512.03385), section 3.4",
        data=IMAGENET,
        hardware="8 GPUs (the paper names none)",
        expected="77.15 % top-1 with 10 crops (table 3; 75.48 with resnet34 (B), 78.25 with resnet101, 78.57 with "
        "resnet152, 72.12 with resnet18 (table 2, A)); about a point less with the one crop of evaluation here",
        departures="The rate falls at fixed steps, every 30 epochs, where the paper waits for the error to plateau. A "
        "mean and a standard deviation a channel instead of a mean a pixel. Bottlenecks stride in the 3x3 (v1.5). The "
        "classifier's bias does not decay; nor do norms, as there (Goyal et al. 2017, section 5.1, on He et al.).",
    ),
    augmentation=Augmentation(crop="random_side", side_px=(256, 480), lighting=0.1),
    optimizer=replace(TORCHVISION_V1.optimizer, momentum_form="caffe", decay_norms_and_biases=False),
    schedule=Schedule(
        unit="steps", length=600_000, kind="step", learning_rate=0.1, decay_at=(150_000, 300_000, 450_000)
    ),
    watch=replace(TORCHVISION_V1.watch, evaluate_every=5_000),
)
