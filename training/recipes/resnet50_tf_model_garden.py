"""The TensorFlow model garden's ResNet-50 on a TPU. Set `network.row` for the other depths."""

from kres.training.recipes._bases import IMAGENET, IMAGENET_224, RANDOM_AREA
from kres.training.settings import About, Loss, Network, Optimizer, Recipe, Schedule, Watch

RECIPE = Recipe(
    name="resnet50_tf_model_garden",
    about=About(
        paper="tensorflow/models, official/vision/configs/experiments/image_classification/imagenet_resnet50_tpu.yaml",
        data=IMAGENET,
        hardware="TPU",
        expected="76.1 % top-1 at 224 (official/vision/MODEL_GARDEN.md); in 200 epochs 77.1, 78.3 with resnet101 and "
        "78.7 with resnet152",
        departures="1,000 classes: theirs has one more, for the background.",
    ),
    network=Network(row="resnet50", dtype="mixed_bfloat16"),
    images=IMAGENET_224,
    augmentation=RANDOM_AREA,
    batch_size=4096,
    optimizer=Optimizer(kind="sgd", weight_decay=1e-4),
    schedule=Schedule(
        unit="steps",
        length=28_080,
        kind="step",
        learning_rate=1.6,
        warmup=1_560,
        decay_at=(9_360, 18_720, 24_960),
    ),
    loss=Loss(label_smoothing=0.1),
    watch=Watch(evaluate_every=312, checkpoint_every_steps=312),
)
