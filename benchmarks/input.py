"""Feeding a network from JPEGs of 500 x 375 pixels: kres against torchvision, PIL and libjpeg-turbo on two cores.

Evaluation's target is 1 where training's is 4: published accuracies hold for PIL's pixels, so it decodes whole images
at full size and resizes them as PIL does, antialiased, to one grey level. A training crop may be decoded in part.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.harness import Row, arguments, in_turns, report
from benchmarks.input_rivals import WORKERS, PilRival, write_photographs
from benchmarks.other_process import OtherProcess

# Worker processes import this file again: what is slow to import belongs into main().

KRES, TORCHVISION = "kres", f"torchvision with PIL, {WORKERS} workers"
PIL = f"the same steps in PIL, {WORKERS} processes"
DECODE = f"libjpeg-turbo's full decode alone, {WORKERS} threads"
TRAINING, EVALUATION = "training (random area 224, flip)", "evaluation (256, centre 224)"

# At least so many times as fast as each.
TARGETS = {TRAINING: {TORCHVISION: 4.0, PIL: 4.0, DECODE: 0.95}, EVALUATION: {TORCHVISION: 1.0, PIL: 1.0}}


def _once(run: Callable[[], float]) -> list[float]:
    return [run()]


def main() -> None:
    options = arguments(__doc__)
    count, files, batch = (8, 8, 4) if options.toy else (2048, 256, 64)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as rivals:
        paths = write_photographs(Path(folder), files)
        from benchmarks.input_pipelines import Pipelines

        pipelines = Pipelines(Path(folder), count=count, batch=batch)
        pil = rivals.enter_context(PilRival([paths[number % files] for number in range(count)]))
        torchvision = rivals.enter_context(OtherProcess("input_torchvision", folder, count, batch))
        contestants: dict[str, dict[str, Callable[[], float]]] = {
            TRAINING: {KRES: pipelines.training, DECODE: pipelines.decode, PIL: partial(pil.run, "training")},
            EVALUATION: {KRES: pipelines.evaluation, PIL: partial(pil.run, "evaluation")},
        }
        if not torchvision.absent:
            contestants[TRAINING][TORCHVISION] = partial(torchvision.run, "training")
            contestants[EVALUATION][TORCHVISION] = partial(torchvision.run, "evaluation")
        rows = []
        for name, runs in contestants.items():
            for run in runs.values():
                run()  # starts workers, traces graphs, fills the cache of files
            seconds = in_turns({who: partial(_once, run) for who, run in runs.items()}, options.rounds)
            for rival, target in TARGETS[name].items():
                title = f"{name}, {count} images, against {rival}"
                if rival in seconds:
                    rows.append(Row(name=title, kres=seconds[KRES], stock=seconds[rival], target=target))
                else:
                    rows.append(Row(name=title, kres=[], stock=[], target=target, not_measurable=torchvision.absent))
    report(rows, options)


if __name__ == "__main__":
    main()
