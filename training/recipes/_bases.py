"""What recipes share: how ImageNet's images reach a network, and the plainest runs on ImageNet."""

from dataclasses import replace

from kres.training.settings import About, Augmentation, Images, Network, Optimizer, Recipe, Schedule

IMAGENET = "imagenet2012"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET_224 = Images(train_size_px=224, test_size_px=224, crop=0.875, mean=MEAN, std=STD)
BICUBIC_224 = replace(IMAGENET_224, crop=0.95, interpolation="bicubic")

RANDOM_AREA = Augmentation(crop="random_area")
# facebookarchive/fb.resnet.torch, datasets/imagenet.lua; GluonCV's train_imagenet.py has the same.
FAIR_COLOR = replace(RANDOM_AREA, color_jitter=0.4, lighting=0.1)

# PyTorch's form of SGD, with which the rate lies outside the momentum.
TORCH_SGD = Optimizer(kind="sgd", momentum_form="torch", weight_decay=1e-4, decay_norms_and_biases=True)

TORCHVISION_V1 = Recipe(
    name="resnet50_torchvision_v1",
    about=About(
        paper="torchvision, references/classification, defaults of train.py; after He et al. 2015 (arXiv 1512.03385)",
        data=IMAGENET,
        hardware="8 V100 GPUs",
        expected="76.130 % top-1 at 224 (torchvision, ResNet50_Weights.IMAGENET1K_V1); 69.758 with resnet18, 73.314 "
        "with resnet34, 77.374 with resnet101, 78.312 with resnet152",
        departures="The images of an epoch's last batch are completed from the next epoch.",
    ),
    network=Network(row="resnet50"),
    images=IMAGENET_224,
    augmentation=RANDOM_AREA,
    batch_size=256,
    optimizer=TORCH_SGD,
    schedule=Schedule(unit="epochs", length=90, kind="step", learning_rate=0.1, decay_at=(30, 60)),
)
