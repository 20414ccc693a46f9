"""ImageNet in 1 hour: batches of 8,192 by linear scaling and warm-up."""

from dataclasses import replace

from kres.training.recipes._bases import IMAGENET, RANDOM_AREA, TORCHVISION_V1
from kres.training.settings import About, Network, Schedule

RECIPE = replace(
    TORCHVISION_V1,
    name="resnet50_goyal2017",
    about=About(
        paper="Goyal et al., Accurate, Large Minibatch SGD (arXiv 1706.02677), sections 2 and 5.1",
        data=IMAGENET,
        hardware="256 P100 GPUs of 32 images each",
        expected="76.26 % top-1 at 224 (table 1: error 23.74 +- 0.09 %)",
        departures="Norm statistics are of a replica's images: 32, as there, if there are 256 replicas. Momentum "
        "correction (section 3.2) is what PyTorch's form of momentum does. The classifier's bias does not decay, there "
        "it does; its kernel starts uniform, there normal with a deviation of 0.01.",
    ),
    network=Network(row="resnet50", zero_init_residual=True),
    augmentation=RANDOM_AREA,
    batch_size=8192,
    optimizer=replace(TORCHVISION_V1.optimizer, nesterov=True, decay_norms_and_biases=False),
    schedule=Schedule(
        unit="epochs",
        length=90,
        kind="step",
        learning_rate=0.1,
        per_images=256,
        warmup=5,
        warmup_learning_rate=0.1 * 256 / 8192,
        decay_at=(30, 60, 80),
    ),
)
