"""A training step of ResNeXt-50, batch 8 at 112 px: kres's grouped convolution against Keras's Conv2D(groups=)."""

import dataclasses
from typing import Any

from benchmarks.harness import Row, arguments, in_turns, report

# isort: split
import keras

import kres
from benchmarks.steps import compiled, random_batches, stepper
from kres.convolution import GroupedConv2D


def with_stock_convolutions(model: Any) -> Any:
    """The same network and weights, each grouped convolution being Keras's own layer."""

    def clone(layer: Any) -> Any:
        cls = keras.layers.Conv2D if type(layer) is GroupedConv2D else type(layer)
        return cls.from_config(layer.get_config())

    twin = keras.models.clone_model(model, clone_function=clone)
    twin.set_weights(model.get_weights())
    return twin


def main() -> None:
    options = arguments(__doc__)
    spec = kres.spec("resnext50_32x4d")
    batch, size, steps = 8, 112, 3
    if options.toy:
        spec = dataclasses.replace(spec, depths=(1, 1), widths=(64, 128), params=None)
        batch, size, steps = 2, 32, 1
    model = kres.build(spec, input_shape=(size, size, 3))
    data = random_batches(batch, size, 1000)
    contestants = {"kres": model, "stock": with_stock_convolutions(model)}
    seconds = in_turns(
        {name: stepper(compiled(network), data, steps) for name, network in contestants.items()}, options.rounds
    )
    name = f"ResNeXt-50 step, batch {batch}, {size} px, float32"
    report([Row(name=name, kres=seconds["kres"], stock=seconds["stock"], target=10.0)], options)


if __name__ == "__main__":
    main()
