"""ResNet-20 on CIFAR-10: He et al. 2015. 64,000 steps of 128 images are about 164 epochs of the 50,000 images."""

from kres.training.settings import About, Augmentation, Images, Network, Optimizer, Recipe, Schedule, Watch

RECIPE = Recipe(
    name="cifar_resnet20",
    about=About(
        paper="He, Zhang, Ren, Sun, Deep Residual Learning (arXiv 1512.03385), section 4.2",
        data="cifar10",
        hardware="2 GPUs; any one device does",
        expected="91.25 % of the test images right (table 6: 8.75 % error)",
        departures="A mean and a standard deviation a channel instead of a mean a pixel, which would tie the network "
        "to one image size. All 50,000 training images; the paper holds 5,000 back. The classifier's bias does not "
        "decay; nor do norms, as there (Goyal et al. 2017, section 5.1, on He et al.).",
    ),
    network=Network(row="cifar_resnet20"),
    images=Images(
        train_size_px=32, test_size_px=32, crop=1.0, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)
    ),
    augmentation=Augmentation(crop="pad", padding_px=4),
    batch_size=128,
    optimizer=Optimizer(kind="sgd", momentum=0.9, weight_decay=1e-4),
    schedule=Schedule(unit="steps", length=64_000, kind="step", learning_rate=0.1, decay_at=(32_000, 48_000)),
    watch=Watch(log_every_steps=100, evaluate_every=2_000, checkpoint_every_steps=1_000, keep_checkpoints=3),
)
