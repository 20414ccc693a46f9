"""What the recipe for a user's own images is worth, with a small network and digits in the place of ImageNet."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import kres
from kres.training import Recipe, fit, load_model, recipe
from kres.training.data import Source, arrays, load
from kres.training.data.source import Split

KNOWN, NEW = (0, 1, 2, 3, 4, 5), (6, 7, 8, 9)
IMAGES_A_CLASS = 10


def small(weights: str | None) -> Recipe:
    """The recipe on a quarter of ResNet-18's channels and 64 pixels; its augmentation, optimizer and loss."""
    whole = recipe("transfer")
    return replace(
        whole,
        network=replace(whole.network, row="resnet18", width=0.25, weights=weights),
        images=replace(whole.images, train_size_px=64, test_size_px=64, crop=1.0),
    )


def some(digits: Source, classes: tuple[int, ...], count: int | None) -> Source:
    """The digits of `classes`, to train `count` of each (None: all)."""

    def part(split: Split, count: int | None) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.concatenate([np.flatnonzero(split.labels == label)[:count] for label in classes])
        images = np.stack([split.read(tf.constant(index)).numpy() for index in chosen])
        return images, np.searchsorted(classes, split.labels[chosen])

    return arrays(
        part(digits.train, count), part(digits.test, None), class_names=tuple(map(str, classes)), flip_keeps_label=False
    )


@pytest.mark.slow
def test_it_learns_new_classes_from_few_images_and_sooner_than_from_scratch(tmp_path):
    """Ten images of each of four new digits, 40 steps for either; measured: see the bounds."""
    digits = load("digits")
    known = small(None).with_length(200)
    known = replace(known, schedule=replace(known.schedule, learning_rate=1e-3))
    fit(known, data=some(digits, KNOWN, None), workdir=tmp_path / "known")
    weights = tmp_path / "known.safetensors"
    kres.export_weights(load_model(tmp_path / "known"), weights)

    new = some(digits, NEW, IMAGES_A_CLASS)
    tuned = fit(small(str(weights)).with_length(40), data=new, workdir=tmp_path / "tuned")
    scratch = fit(small(None).with_length(40), data=new, workdir=tmp_path / "scratch")
    assert tuned.n_images == scratch.n_images == 238
    assert tuned.accuracy > 0.85
    assert tuned.accuracy > scratch.accuracy + 0.05
