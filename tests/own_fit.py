"""What test_trainer runs in one process and in two: a user's own `compile`, `fit`, `evaluate` and `predict`."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np

import kres

NETWORK = replace(kres.spec("cifar_resnet20"), depths=(1, 1, 1), params=None)
BATCH = 16
DICE = np.random.default_rng(0)
IMAGES = DICE.normal(size=(40, 8, 8, 3)).astype("float32")  # the last batch is half a one
LABELS = DICE.integers(0, 10, len(IMAGES))


class Batches(keras.callbacks.Callback):
    """The metrics that callbacks see after each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, float]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append((float(logs["loss"]), float(logs["accuracy"])))


def compiled(**options: Any) -> Any:
    """A network with statistics over all replicas, in float64, where the order of a sum flips no ReLU."""
    keras.utils.set_random_seed(0)
    model = kres.build(NETWORK, input_shape=(8, 8, 3), norm="sync_batch", dtype="float64")
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def results(model: Any) -> dict[str, Any]:
    """All that a user gets to see, by name."""
    batches = Batches()
    options = {"batch_size": BATCH, "verbose": 0}
    held_out = (IMAGES[:20], LABELS[:20])
    history = model.fit(
        IMAGES, LABELS, epochs=2, shuffle=False, validation_data=held_out, callbacks=[batches], **options
    )
    found = {
        **history.history,
        "each batch": batches.seen,
        "evaluated": model.evaluate(*held_out, **options),
        "predicted": model.predict(IMAGES, **options),
    }
    return found | {f"weight {index}": value for index, value in enumerate(model.get_weights())}
