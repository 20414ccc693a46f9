"""A run that cannot be is refused before it begins."""

import pytest

from kres.training.feasibility import require_feasible
from kres.training.recipes import list_recipes, recipe
from kres.training.settings.overrides import apply

DIGITS = recipe("digits_resnet20")


@pytest.mark.parametrize(
    ("changes", "replicas", "message"),
    [
        (["batch_size=8"], 3, r"multiple of 3 \(3 replicas\): use 6 or 9. Received: batch_size=8"),
        (["batch_size=2"], 3, r"use 3. Received: batch_size=2"),
        (["batch_size=6", "optimizer.accumulate=2"], 2, r"of 4 \(2 replicas x accumulate=2\): use 4 or 8"),
        (["batch_size=12", "optimizer.accumulate=4", "augmentation.mixup=0.2"], 1, "of a mixed pair.: use 8 or 16"),
        (["batch_size=8", "augmentation.mixup=0.2"], 8, r"of 16 \(8 replicas x 2 images of a mixed pair\): use 16"),
        (["batch_size=8", "augmentation.cutmix=1", "augmentation.repeats=8"], 1, "at least two different images"),
        (
            [
                "images.progressive_px=16",
                "augmentation.crop=random_side",
                "augmentation.padding_px=0",
                "augmentation.side_px=20,24",
            ],
            1,
            r"training size, 32 pixels, .* side_px=\(20, 24\)",
        ),
        (
            ["network.norm=sync_batch", "optimizer.accumulate=2"],
            2,
            r"use accumulate=1, norm='batch' or one replica. Received: norm='sync_batch', accumulate=2",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_what_can(changes, replicas, message):
    with pytest.raises(ValueError, match=message):
        require_feasible(apply(DIGITS, changes), replicas=replicas)


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_can_run_on_as_many_devices_as_published(name):
    for replicas in (1, 2, 4, 8):
        require_feasible(recipe(name), replicas=replicas)


def test_ranges_that_follow_a_batch_are_not_taken_of_its_parts():
    qat = apply(recipe("qat"), ["optimizer.accumulate=2"])
    require_feasible(qat)
    require_feasible(apply(qat, ["quantization.ranges=learned"]), replicas=2)
    with pytest.raises(ValueError, match=r"use accumulate=1, quantization.ranges='learned' or one replica"):
        require_feasible(qat, replicas=2)
