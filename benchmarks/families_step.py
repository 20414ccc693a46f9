"""Training steps of ResNeXt-50 and SE-ResNet-50: kres's layers against the same networks of Keras's own."""

import dataclasses

from benchmarks.harness import Row, arguments, report

# isort: split
import kres
from benchmarks.steps import against_stock_layers

# Network, batch, pixels, and how much faster it is to be.
COMPARED = (("resnext50_32x4d", 8, 112, 10.0), ("seresnet50", 16, 224, 1.1))


def main() -> None:
    options = arguments(__doc__)
    rows = []
    for name, batch, size, target in COMPARED:
        spec, steps = kres.spec(name), 3
        if options.toy:
            spec = dataclasses.replace(spec, depths=(1, 1), widths=(64, 128), params=None)
            batch, size, steps = 2, 32, 1
        model = kres.build(spec, input_shape=(size, size, 3))
        seconds = against_stock_layers(model, options, batch=batch, steps=steps)
        title = f"{name} step, batch {batch}, {size} px, float32"
        rows.append(Row(name=title, kres=seconds["kres"], stock=seconds["stock"], target=target))
    report(rows, options)


if __name__ == "__main__":
    main()
