"""ResNet strikes back, A1: 600 epochs."""

from kres.training.recipes._bases import BICUBIC_224, IMAGENET
from kres.training.settings import About, Augmentation, Loss, Network, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    name="resnet50_a1",
    about=About(
        paper="Wightman, Touvron, Jegou, ResNet strikes back (arXiv 2110.00476), table 2; what it leaves open as in "
        "timm, its code",
        data=IMAGENET,
        hardware="4 V100 GPUs of 512 images each",
        expected="80.4 % top-1 at 224 (paper, table 1; timm's weights a1_in1k: 80.382)",
        departures="The rate changes every step, in timm every epoch, and timm's default of ten more epochs at the "
        "lowest rate is left out. Training images are resized bicubic, as in MMPretrain; timm draws bilinear or "
        "bicubic. The next epoch's images are others than this one's; timm draws a third of all anew. RandAugment "
        "chooses among Cubuk et al.'s 14 operations; timm's 15 have inversion and adding to what is dark for identity.",
    ),
    network=Network(row="resnet50", drop_path=0.05, dtype="mixed_float16"),
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
    batch_size=2048,
    optimizer=Optimizer(kind="lamb", weight_decay=0.01, clip_norm=1.0),
    schedule=Schedule(
        unit="epochs",
        length=600,
        kind="cosine",
        learning_rate=5e-3,
        warmup=5,
        warmup_learning_rate=1e-4,
        decay_span="whole_run",
        end_learning_rate=1e-6,
    ),
    loss=Loss(kind="sigmoid", label_smoothing=0.1, target_threshold=0.2),
)
