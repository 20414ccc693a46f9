"""torchvision's second weights: 600 epochs of strong augmentation at 176 pixels, evaluated at 224."""

from dataclasses import replace

from kres.training.recipes._bases import IMAGENET, IMAGENET_224, TORCHVISION_V1
from kres.training.settings import About, Augmentation, Averaging, Loss, Schedule

RECIPE = replace(
    TORCHVISION_V1,
    name="resnet50_torchvision_v2",
    about=About(
        paper="torchvision, the command in pytorch/vision issue 3995 for references/classification/train.py",
        data=IMAGENET,
        hardware="8 GPUs of 128 images each",
        expected="80.858 % top-1 at 224 (torchvision, ResNet50_Weights.IMAGENET1K_V2); 81.886 with resnet101",
        departures="train.py turns its EMA decay d = 0.99998 into 1 - (1 - d) * batch * ema_steps / epochs: here "
        "1 - 2e-5 * 1024 * 32 / 600 = 0.998908, written out. The bias of the classifier does not decay; there it does. "
        "The rate changes every step, there every epoch. The next epoch's images are others than this one's; there a "
        "quarter of all is drawn anew.",
    ),
    images=replace(IMAGENET_224, train_size_px=176, crop=224 / 232),
    augmentation=Augmentation(crop="random_area", policy="trivialaugment", repeats=4, mixup=0.2, cutmix=1.0, erase=0.1),
    batch_size=1024,
    optimizer=replace(TORCHVISION_V1.optimizer, weight_decay=2e-5, decay_norms_and_biases=False),
    schedule=Schedule(
        unit="epochs", length=600, kind="cosine", learning_rate=0.5, warmup=5, warmup_learning_rate=0.005
    ),
    loss=Loss(label_smoothing=0.1),
    averaging=Averaging(ema_decay=1 - 2e-5 * 1024 * 32 / 600, ema_every_steps=32, ema_start="after_warmup"),
)
