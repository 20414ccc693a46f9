"""Bag of tricks: ResNet-50-D, large batch, cosine, label smoothing; without mixup and distillation."""

from dataclasses import replace

from kres.training.recipes._bases import FAIR_COLOR, IMAGENET, TORCHVISION_V1
from kres.training.settings import About, Loss, Network, Schedule

RECIPE = replace(
    TORCHVISION_V1,
    name="resnet50d_bag_of_tricks",
    about=About(
        paper="He et al., Bag of Tricks (arXiv 1812.01187), sections 2 to 5, and its code, dmlc/gluon-cv, "
        "scripts/classification/imagenet/train_imagenet.py",
        data=IMAGENET,
        hardware="8 V100 GPUs of 128 images each",
        expected="78.31 % top-1 at 224 (table 6)",
        departures="Brightness, contrast and saturation are jittered, as in the code; section 2.1 names hue, not "
        "contrast.",
    ),
    network=Network(row="resnet50d", zero_init_residual=True, dtype="mixed_float16"),
    augmentation=FAIR_COLOR,
    batch_size=1024,
    optimizer=replace(TORCHVISION_V1.optimizer, nesterov=True, decay_norms_and_biases=False),
    schedule=Schedule(unit="epochs", length=120, kind="cosine", learning_rate=0.1, per_images=256, warmup=5),
    loss=Loss(label_smoothing=0.1),
)
