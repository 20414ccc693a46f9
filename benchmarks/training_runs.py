"""Runs of `kres.training` on random images in memory, for the benchmarks of its steps."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from kres.training import Recipe, recipe
from kres.training.data import Source, arrays
from kres.training.loop import Loop
from kres.training.plan import plan
from kres.training.settings.parts import Dtype


def random_source(*, size: int, classes: int, count: int) -> Source:
    """`count` random images (count, size, size, 3) uint8 to train on."""
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)
    labels = np.arange(count) % classes
    some = slice(0, classes)
    return arrays((images, labels), (images[some], labels[some]), class_names=tuple(map(str, range(classes))))


def plain_recipe(row: str, *, size: int, batch: int, steps: int, every: int, dtype: Dtype = "float32") -> Recipe:
    """SGD on a row of the zoo, without augmentation: `steps` steps, with a readout after each `every`."""
    base = recipe("cifar_resnet20")
    return replace(
        base,
        network=replace(base.network, row=row, zero_init_residual=None, dtype=dtype),
        images=replace(base.images, train_size_px=size, test_size_px=size),
        augmentation=replace(base.augmentation, crop="none", padding_px=0, flip=False),
        batch_size=batch,
        schedule=replace(base.schedule, kind="constant", length=steps, decay_at=(), learning_rate=0.01),
        watch=replace(base.watch, log_every_steps=every, evaluate_every=steps, checkpoint_every_steps=steps),
    )


def bare_steps(chosen: Recipe, source: Source) -> list[float]:
    """Seconds of a training step without the loop around it, a mean over each readout's steps but the first's."""
    every, found = chosen.watch.log_every_steps, []
    with tempfile.TemporaryDirectory() as workdir:
        planned = plan(chosen, len(source.train))
        loop = Loop(planned, source, Path(workdir), seed=0, strategy=tf.distribute.get_strategy())
        start = time.perf_counter()
        for number, (train_step, batch) in enumerate(loop.steps(planned.phases[0]), 1):
            train_step(*batch)
            if number % every == 0:
                now = time.perf_counter()
                found.append((now - start) / every)
                start = now
    return found[1:]
