"""What a run's steps read, on the devices of its strategy; the order is a function of seed and step alone."""

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training.data import Source, training_batches
from kres.training.data.corrupt import naming_corrupt
from kres.training.data.pipeline import examples_of_step
from kres.training.data.service import service_addresses, through_service
from kres.training.distribution import place
from kres.training.plan import Phase
from kres.training.settings import Augmentation, Recipe


class Feed:
    """The training images of a run of `recipe`."""

    def __init__(self, recipe: Recipe, source: Source, *, seed: int, strategy: tf.distribute.Strategy) -> None:
        self._recipe = recipe
        self._source = source
        self._seed = seed
        self._strategy = strategy

    def batches(self, phase: Phase, *, done: int) -> Any:
        """The batches of the steps of `phase` from step `done` on, each replica's part on its device."""
        here = place(self._strategy)
        steps = range(max(done, phase.steps.start), phase.steps.stop)
        addresses = service_addresses()

        def of(some: range) -> tf.data.Dataset:
            return training_batches(
                self._source,
                self._recipe.images,
                self._recipe.augmentation,
                size_px=phase.size_px,
                batch_size=self._recipe.batch_size,
                steps=some,
                seed=self._seed,
                replicas=here.replicas,
                first_replica=here.first_replica,
                local_replicas=here.local_replicas,
                compiled=not addresses,  # a data worker may be a machine without a compiler
            )

        def local(context: tf.distribute.InputContext) -> tf.data.Dataset:
            if addresses:
                return through_service(of, steps, addresses=addresses, elements_per_step=here.local_replicas)
            return of(steps)

        return self._strategy.distribute_datasets_from_function(local)

    def naming(self, batches: Any, step: Callable[[], int]) -> Iterator[Any]:
        """Those batches; an image that cannot be read any more is named, `step` telling how many steps are done."""

        def examples() -> Any:
            return examples_of_step(
                self._source,
                step(),
                batch_size=self._recipe.batch_size,
                repeats=self._recipe.augmentation.repeats,
                seed=self._seed,
            )

        return naming_corrupt(batches, self._source.train, examples)

    def plain_inputs(self, count: int, preprocess: Preprocess, *, at_once: int) -> Iterator[tf.Tensor]:
        """`count` training images or a few more, shuffled, as evaluation sees its own: inputs (at_once, s, s, 3)."""
        batches = training_batches(
            self._source,
            self._recipe.images,
            Augmentation(crop="none", flip=False),
            size_px=self._recipe.images.test_size_px,
            batch_size=at_once,
            steps=range(-(-count // at_once)),
            seed=self._seed,
        )
        return (preprocess(images) for images, *_ in naming_corrupt(batches, self._source.train))
