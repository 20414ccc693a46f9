"""A run of seconds: the digits recipe on 8-pixel images."""

from dataclasses import replace

import numpy as np

from kres.training import Recipe, recipe
from kres.training.data import Source, arrays


def tiny_recipe(*, steps: int = 4, log_every_steps: int = 2, checkpoint_every_steps: int = 2) -> Recipe:
    """ResNet-20 on 8x8 pixels, batches of 8."""
    base = recipe("digits_resnet20").with_length(steps)
    return replace(
        base,
        name="tiny",
        images=replace(base.images, train_size_px=8, test_size_px=8),
        augmentation=replace(base.augmentation, padding_px=1),
        batch_size=8,
        watch=replace(
            base.watch,
            log_every_steps=log_every_steps,
            evaluate_every=steps,
            checkpoint_every_steps=checkpoint_every_steps,
        ),
    )


def tiny_source(train: int = 20, test: int = 7) -> Source:
    """Random pixels in three classes."""
    rng = np.random.default_rng(0)

    def made(count: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8), np.arange(count) % 3

    return arrays(made(train), made(test), class_names=("a", "b", "c"), name="tiny")
