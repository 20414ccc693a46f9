"""Seconds to build ResNet-50 and 152, against keras.applications, and ResNet-1202, against stock Keras layers."""

import dataclasses
import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.harness import Row, arguments, in_turns, report, timed

# isort: split
import keras

import kres
from kres.zoo import cifar

LAYERS = keras.layers


def stock_cifar_resnet(blocks: int) -> Any:
    """He et al. 2015's CIFAR network with option B, `blocks` a stage, as one writes it down in Keras."""
    inputs = keras.Input((32, 32, 3))
    x = LAYERS.ReLU()(LAYERS.BatchNormalization()(LAYERS.Conv2D(16, 3, padding="same", use_bias=False)(inputs)))
    for stage, width in enumerate((16, 32, 64)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            h = LAYERS.Conv2D(width, 3, stride, padding="same", use_bias=False)(x)
            h = LAYERS.ReLU()(LAYERS.BatchNormalization()(h))
            h = LAYERS.BatchNormalization()(LAYERS.Conv2D(width, 3, padding="same", use_bias=False)(h))
            if stride != 1:
                x = LAYERS.BatchNormalization()(LAYERS.Conv2D(width, 1, stride, use_bias=False)(x))
            x = LAYERS.ReLU()(LAYERS.Add()([x, h]))
    x = LAYERS.Dense(10, activation="softmax")(LAYERS.GlobalAveragePooling2D()(x))
    sys.setrecursionlimit(20_000)  # Keras walks the graph by one Python call a layer
    return keras.Model(inputs, x)


def compared(blocks: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """The contestants of each row; the deep network has `blocks` blocks a stage."""
    deep = dataclasses.replace(cifar.OPTION_B, depths=(blocks,) * 3, params=None)
    return {
        "ResNet-50": {
            "kres": lambda: kres.build("keras_resnet50"),
            "stock": lambda: keras.applications.ResNet50(weights=None),
        },
        "ResNet-152": {
            "kres": lambda: kres.build("keras_resnet152"),
            "stock": lambda: keras.applications.ResNet152(weights=None),
        },
        f"ResNet-{6 * blocks + 2}": {"kres": lambda: kres.build(deep), "stock": lambda: stock_cifar_resnet(blocks)},
    }


def main() -> None:
    options = arguments(__doc__)
    # A build takes about a second, so a turn is the median of several; a deep network takes long enough by itself.
    repetitions = 1 if options.toy else 5

    def turn(build: Callable[[], Any], times: int) -> list[float]:
        keras.utils.clear_session()
        return [statistics.median(timed(build) for _ in range(times))]

    rows = []
    for name, builds in compared(3 if options.toy else 200).items():
        deep = name == "ResNet-1202"
        for build in builds.values():
            if not (deep or options.toy):
                build()
        times = 1 if deep else repetitions
        seconds = in_turns({who: partial(turn, build, times) for who, build in builds.items()}, options.rounds)
        rows.append(Row(name=f"{name}, build", kres=seconds["kres"], stock=seconds["stock"], target=1.0, at_most=True))
    report(rows, options)


if __name__ == "__main__":
    main()
