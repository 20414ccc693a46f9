"""ResNet strikes back, A1: 600 epochs."""

from kres.training.recipes._bases import BICUBIC_224, IMAGENET
from kres.training.settings import About, Augmentation, Loss, Network, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    name="resnet50_a1",
    about=About(
        paper="Wightman, Touvron, Jegou, ResNet strikes back (arXiv 2110.00476), table 2",
        data=IMAGENET,
        hardware="4 V100 GPUs of 512 images each",
        expected="80.4 % top-1 at 224 (paper, table 1; timm's weights a1_in1k: 80.382)",
        departures="Batches of 2,064 images, where the paper has 2,048, which do not divide by three copies of each "
        "(timm splits copies over batches). The ends of warm-up and cosine as in MMPretrain.",
    ),
    network=Network(row="resnet50", drop_path=0.05),
    images=BICUBIC_224,
    augmentation=Augmentation(
        crop="random_area",
        policy="randaugment",
        policy_operations=2,
        policy_magnitude=7,
        policy_magnitude_std=0.5,
        policy_probability=0.5,
        repeats=3,
        mixup=0.2,
        cutmix=1.0,
    ),
    batch_size=2064,
    optimizer=Optimizer(kind="lamb", weight_decay=0.01, clip_norm=1.0),
    schedule=Schedule(
        unit="epochs",
        length=600,
        kind="cosine",
        learning_rate=5e-3,
        warmup=5,
        warmup_learning_rate=5e-7,
        end_learning_rate=1e-6,
    ),
    loss=Loss(kind="sigmoid", label_smoothing=0.1, target_threshold=0.2),
)
