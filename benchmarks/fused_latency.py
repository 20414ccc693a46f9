"""Inference of ResNet-50 at 224 px: `kres.fuse` against the unfused network and keras.applications.ResNet50."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import Row, arguments, in_turns, report, timed

# isort: split
import keras

import kres

# One call on images in memory; `predict` makes a data set of them first.
CALLS: dict[str, Callable[[Any, np.ndarray], Any]] = {
    "predict_on_batch": lambda model, images: model.predict_on_batch(images),
    "predict": lambda model, images: model.predict(images, verbose=0),
}


def caller(call: Callable[[], Any]) -> Callable[[], Sequence[float]]:
    """A function that gives back the seconds of one call; the first, which traces, is done here."""
    call()
    return lambda: [timed(call)]


def compare(models: dict[str, Any], call: str, *, batch: int, size: int, rounds: int) -> list[Row]:
    """The fused network against each other one, `batch` images a call."""
    images = np.random.default_rng(0).random((batch, size, size, 3), dtype="float32")
    contestants = {who: caller(partial(CALLS[call], model, images)) for who, model in models.items()}
    seconds = in_turns(contestants, rounds)
    name = f"ResNet-50, batch {batch}, {size} px, {call}: fused against"
    return [
        Row(name=f"{name} {who}", kres=seconds["fused"], stock=seconds[who], target=1.0)
        for who in models
        if who != "fused"
    ]


def main() -> None:
    options = arguments(__doc__)
    size, times = (32, {1: 1}) if options.toy else (224, {1: 10, 8: 4})
    unfused = kres.build("keras_resnet50", input_shape=(size, size, 3))
    models = {
        "fused": kres.fuse(unfused),
        "unfused": unfused,
        "keras.applications": keras.applications.ResNet50(weights=None, input_shape=(size, size, 3)),
    }
    rows = []
    for batch in times:
        for call in CALLS:
            rows += compare(models, call, batch=batch, size=size, rounds=options.rounds * times[batch])
    report(rows, options)


if __name__ == "__main__":
    main()
