"""BiT-HyperRule for fewer than 20,000 images: 500 steps, no mixup.

Images are resized to 512 and cut to 480; for data sets of small images (below 96x96) the rule takes 160 and 128: set
`images.train_size_px=128`, `images.test_size_px=128` and `augmentation.side_px=160,160`.
"""

from kres.training.settings import About, Augmentation, Images, Network, Optimizer, Recipe, Schedule, Watch

RECIPE = Recipe(
    name="bit_small",
    about=About(
        paper="Kolesnikov et al., Big Transfer (arXiv 1912.11370), section 3.3; google-research/big_transfer, "
        "bit_hyperrule.py",
        data="oxford_flowers102",
        hardware="one GPU or TPU with memory for 512 images, or optimizer.accumulate",
        expected="99.30 % on Oxford Flowers-102 with BiT-M-R152x4 (table 1); less with the default network",
        departures="The sides of an image keep their proportion (there both become 512), and evaluation cuts the "
        "centre. Sizes, warm-up and the steps of decay are the code's; the paper has 448 and 384 for all but its "
        "largest network, and decays at 30, 60 and 90 % of the steps.",
    ),
    network=Network(row="resnetv2_50x1_bit", weights="goog_in21k", zero_init_head=True),
    images=Images(train_size_px=480, test_size_px=480, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    augmentation=Augmentation(crop="random_side", side_px=(512, 512)),
    batch_size=512,
    optimizer=Optimizer(kind="sgd", momentum_form="torch"),
    schedule=Schedule(
        unit="steps",
        length=500,
        kind="step",
        learning_rate=0.003,
        per_images=512,
        warmup=100,
        decay_at=(200, 300, 400),
    ),
    watch=Watch(log_every_steps=10, evaluate_every=100, checkpoint_every_steps=100),
)
