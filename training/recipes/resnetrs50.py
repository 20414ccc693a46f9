"""ResNet-RS-50 at 160 pixels."""

from dataclasses import replace

from kres.training.recipes.resnet50_tf_model_garden import RECIPE as MODEL_GARDEN
from kres.training.settings import About, Averaging, Network, Schedule

RECIPE = replace(
    MODEL_GARDEN,
    name="resnetrs50",
    about=About(
        paper="Bello et al., Revisiting ResNets (arXiv 2103.07579), table 7; what it leaves open as in "
        "tensorflow/models, configs/experiments/image_classification/imagenet_resnetrs*.yaml",
        data=MODEL_GARDEN.about.data,
        hardware="TPU",
        expected="79.1 % top-1 at 160 (official/vision/MODEL_GARDEN.md)",
        departures="ReLU, as in the published weights that the zoo's rows load; the configuration has swish. Moving "
        "norm statistics keep 0.9 a step; there they are those of the last batch, and averaged with the weights. "
        "Where branches are dropped, the rate grows from block to block; there it is the same within a stage. "
        "RandAugment chooses among Cubuk et al.'s 14 operations; there also inversion, cutout and adding to what is "
        "dark.",
    ),
    network=Network(row="resnetrs50", dropout=0.25, dtype="mixed_bfloat16"),
    images=replace(MODEL_GARDEN.images, train_size_px=160, test_size_px=160),
    augmentation=replace(MODEL_GARDEN.augmentation, policy="randaugment", policy_operations=2, policy_magnitude=10),
    optimizer=replace(MODEL_GARDEN.optimizer, weight_decay=4e-5),
    schedule=Schedule(
        unit="steps", length=109_200, kind="cosine", learning_rate=1.6, warmup=1_560, decay_span="whole_run"
    ),
    averaging=Averaging(ema_decay=0.9999, ema_start="ramp"),
)
