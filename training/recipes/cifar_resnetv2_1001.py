"""Pre-activation ResNet-1001 on CIFAR-10 in batches of 64, by the authors' code in Torch."""

from dataclasses import replace

from kres.training.recipes.cifar_resnetv2_110 import RECIPE as V2_110
from kres.training.settings import Network, Schedule, Watch

RECIPE = replace(
    V2_110,
    name="cifar_resnetv2_1001",
    about=replace(
        V2_110.about,
        paper="He, Zhang, Ren, Sun, Identity Mappings (arXiv 1603.05027), table 4; the command in "
        "KaimingHe/resnet-1k-layers, README.md, and the defaults of fb.resnet.torch",
        hardware="2 GPUs of 32 images each",
        expected="95.31 % of the test images right (table 4: 4.69 +- 0.20 % error in batches of 64, 4.62 at best; 4.92 "
        "in the paper's batches of 128)",
        departures="Bottlenecks stride in the 3x3, there in the first 1x1. Padding is black, there the mean.",
    ),
    network=Network(row="cifar_resnetv2_1001"),
    batch_size=64,
    optimizer=replace(V2_110.optimizer, momentum_form="torch", nesterov=True, decay_norms_and_biases=True),
    # Their train.lua divides the rate as epochs 81 and 122 begin, counted from one.
    schedule=Schedule(unit="epochs", length=200, kind="step", learning_rate=0.1, decay_at=(80, 121)),
    watch=Watch(),
)
