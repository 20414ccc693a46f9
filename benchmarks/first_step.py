"""Seconds from `fit` to the end of the first step of ResNet-50: kres against keras.applications, a process each."""

from benchmarks.harness import Row, arguments, in_own_process, in_turns, report

# isort: split
import keras

import kres
from benchmarks.steps import compiled, first_step, random_batches


def measure(contestant: str, *, size: int) -> float:
    shape = (size, size, 3)
    if contestant == "kres":
        model = kres.build("keras_resnet50", input_shape=shape)
    else:
        model = keras.applications.ResNet50(weights=None, input_shape=shape)
    return first_step(compiled(model), random_batches(2, size, 1000))


def main() -> None:
    options = arguments(__doc__)
    # A small batch: what is asked about is the time before the arithmetic.
    size = 32 if options.toy else 112
    if options.measure:
        print(measure(options.measure, size=size))
        return
    seconds = in_turns(
        {
            "kres": lambda: [in_own_process(__file__, "kres", toy=options.toy)],
            "stock": lambda: [in_own_process(__file__, "stock", toy=options.toy)],
        },
        options.rounds,
    )
    name = f"ResNet-50, `fit` to first step, {size} px"
    report([Row(name=name, kres=seconds["kres"], stock=seconds["stock"], target=0.6, at_most=True)], options)


if __name__ == "__main__":
    main()
