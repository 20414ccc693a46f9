"""ResNet-20 on CIFAR-10: He et al. 2015, "Deep Residual Learning" (arXiv 1512.03385), section 4.2.

Command: `kres train cifar_resnet20 --data cifar10 --workdir runs/cifar_resnet20`.
Hardware: any one device; the paper used two GPUs. 64,000 steps of 128 images are about 182 epochs of the 45,000 images
that the paper trains on (164 of all 50,000).
Expected: 8.75 % test error (paper, table 6), 91.25 % accuracy.

Where it departs from the paper: a mean and a standard deviation a channel instead of a mean a pixel (which would tie
the network to one image size); all 50,000 training images; the last norm of each block starts at zero. Shortcuts are
option A, as there.
"""

from kres.training.recipes.base import Recipe

RECIPE = Recipe(
    name="cifar_resnet20",
    model="cifar_resnet20",
    zero_init_residual=True,
    compute_dtype="float32",
    image_size_px=32,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    interpolation="bilinear",
    crop=1.0,
    padding_px=4,
    flip=True,
    batch_size=128,
    steps=64_000,
    learning_rate=0.1,
    warmup_steps=0,
    warmup_learning_rate=0.0,
    decay_at_steps=(32_000, 48_000),
    decay_factor=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    log_every_steps=100,
    evaluate_every_steps=2_000,
    checkpoint_every_steps=1_000,
    keep_checkpoints=3,
)
