"""A training step of ResNeXt-50, batch 8 at 112 px: kres's layers against the same network of Keras's own."""

import dataclasses

from benchmarks.harness import Row, arguments, report

# isort: split
import kres
from benchmarks.steps import against_stock_layers


def main() -> None:
    options = arguments(__doc__)
    spec = kres.spec("resnext50_32x4d")
    batch, size, steps = 8, 112, 3
    if options.toy:
        spec = dataclasses.replace(spec, depths=(1, 1), widths=(64, 128), params=None)
        batch, size, steps = 2, 32, 1
    model = kres.build(spec, input_shape=(size, size, 3))
    seconds = against_stock_layers(model, options, batch=batch, steps=steps)
    name = f"ResNeXt-50 step, batch {batch}, {size} px, float32"
    report([Row(name=name, kres=seconds["kres"], stock=seconds["stock"], target=10.0)], options)


if __name__ == "__main__":
    main()
