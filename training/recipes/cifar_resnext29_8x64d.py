"""ResNeXt-29 on CIFAR-10."""

from dataclasses import replace

from kres.training.recipes.cifar_resnet20 import RECIPE as RESNET20
from kres.training.settings import About, Network, Schedule, Watch

RECIPE = replace(
    RESNET20,
    name="cifar_resnext29_8x64d",
    about=About(
        paper="Xie et al., Aggregated Residual Transformations (arXiv 1611.05431), section 5.2 and appendix A; "
        "what it leaves open as in its code, facebookresearch/ResNeXt",
        data="cifar10",
        hardware="8 GPUs of 16 images each",
        expected="96.35 % of the test images right (table 7: 3.65 % error, mean of ten runs)",
        departures="Padding is black, there the mean.",
    ),
    network=Network(row="cifar_resnext29_8x64d"),
    batch_size=128,
    optimizer=replace(
        RESNET20.optimizer, momentum_form="torch", nesterov=True, weight_decay=5e-4, decay_norms_and_biases=True
    ),
    schedule=Schedule(unit="epochs", length=300, kind="step", learning_rate=0.1, decay_at=(150, 225)),
    watch=Watch(),
)
