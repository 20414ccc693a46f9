"""Seconds to build ResNet-50: kres against keras.applications."""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.harness import Row, arguments, in_turns, report, timed

# isort: split
import keras

import kres

ROWS: dict[str, Callable[[], Any]] = {
    "kres": lambda: kres.build("keras_resnet50"),
    "stock": lambda: keras.applications.ResNet50(weights=None),
}


def main() -> None:
    options = arguments(__doc__)
    # A build takes less than a second, so a turn is the median of several.
    repetitions = 1 if options.toy else 5

    def turn(build: Callable[[], Any]) -> list[float]:
        keras.utils.clear_session()
        return [statistics.median(timed(build) for _ in range(repetitions))]

    for build in ROWS.values():
        build()
    seconds = in_turns({who: partial(turn, build) for who, build in ROWS.items()}, options.rounds)
    row = Row(name="ResNet-50, build", kres=seconds["kres"], stock=seconds["stock"], target=1.05, at_most=True)
    report([row], options)


if __name__ == "__main__":
    main()
