"""What a network of kres changes of Keras's own `fit`, `evaluate` and `predict`."""

from typing import Any

import keras
import numpy as np

from kres.datasets import untuned


class Trainer(keras.Model):
    """A functional model whose `fit` starts sooner and, on the TensorFlow backend, runs on several workers too.

    Under `tf.distribute.MultiWorkerMirroredStrategy` that of Keras 3.15 fails, with any model, in the two places named
    below. Each worker is given the same data, of whose batches it takes its part.
    """

    def make_train_function(self, force: bool = False) -> Any:
        """As Keras's, with the optimizer's variables made before: made in the traced step they cost a second trace."""
        optimizer = getattr(self, "optimizer", None)
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto", steps: Any = None, callbacks: Any = None
    ) -> Any:
        """As Keras's, without the wait that images in memory often meet at its end on the TensorFlow backend.

        Raises ValueError where there is no image.
        """
        if isinstance(x, np.ndarray) or keras.ops.is_tensor(x):
            if not len(x):
                raise ValueError("predict takes at least one image. Received: none")
            if keras.backend.backend() == "tensorflow" and not _has_other_workers(self):
                x, batch_size = _batches(x, 32 if batch_size is None else batch_size), None
        return super().predict(x, batch_size, verbose, steps, callbacks)

    def predict_step(self, *arguments: Any) -> Any:
        """As Keras's; InvalidArgumentError where one of several workers got no image of a batch."""
        if not _has_other_workers(self):
            return super().predict_step(*arguments)
        return _with_images(super().predict_step, *arguments)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # To learn a batch's shapes Keras reduces it over the replicas, but a worker's PerReplica of one value is
        # no tensor ("Attempt to convert a value (PerReplica ..."). The part of one replica tells the shapes as well.
        if iterator is not None and _has_other_workers(self):
            values = self._distribute_strategy.experimental_local_results
            batch = next(next(iter(iterator))[-1])
            iterator, data_batch = None, keras.tree.map_structure(lambda value: values(value)[0], batch)
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)

    def _make_function(self, step_function: Any, **options: Any) -> Any:
        # Keras takes the mean of a step's metrics over workers along axis 0, which scalars lack: here they have one.
        if not _has_other_workers(self):
            return super()._make_function(step_function, **options)
        if self.steps_per_execution != 1:
            # TensorFlow 2.21 fails on the sums over workers within the loop that Keras makes of several steps.
            raise ValueError(
                "On several workers a model is compiled with steps_per_execution=1. "
                f"Received: steps_per_execution={self.steps_per_execution}"
            )

        def step(data: Any) -> Any:
            metrics = _with_images(step_function, data)
            return keras.tree.map_structure(lambda value: keras.ops.expand_dims(value, 0), metrics)

        return super()._make_function(step, **options)


def _batches(images: Any, batch_size: int) -> Any:
    """A tf.data data set of the batches that Keras makes of `images` `(n, h, w, c)`, which does not tune itself."""
    import tensorflow as tf

    if isinstance(images, np.ndarray) and np.issubdtype(images.dtype, np.floating):
        images = images.astype(keras.config.floatx(), copy=False)
    return untuned(tf.data.Dataset.from_tensor_slices(images).batch(batch_size))


def _has_other_workers(model: Any) -> bool:
    """Whether replicas of the model's tf.distribute strategy, where it has one, are in other processes."""
    strategy = getattr(model, "_distribute_strategy", None)
    return strategy is not None and strategy.num_replicas_in_sync > len(strategy.extended.worker_devices)


def _with_images(step_function: Any, data: Any) -> Any:
    """What a step makes of `data`, after a check that this replica has some of it.

    TensorFlow gives a replica an empty part where the last batch has fewer images than there are replicas. Its
    statistics are not numbers then, and oneDNN's convolution of it has a wrong shape.
    """
    import tensorflow as tf

    images = next(value for value in keras.tree.flatten(data) if value is not None)
    some = tf.debugging.assert_positive(
        tf.shape(images)[0],
        message="Each batch has an image for each replica: leave a smaller last batch out, or choose another size. "
        "Received: none for this replica",
    )
    with tf.control_dependencies([some] if some is not None else []):  # None: checked already, eagerly
        return step_function(data)
