"""Feeding a network from JPEGs of 500 x 375 pixels: kres against torchvision, PIL and libjpeg-turbo on two cores.

Evaluation's target is 1 where training's is 4: published accuracies hold for PIL's pixels, so it decodes whole images
at full size and resizes them as PIL does, antialiased, to one grey level. A training crop may be decoded in part.
kres hands uint8 to the device that normalises it; torchvision's training script hands over normalised float32.
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

KRES = "kres"
TORCHVISION = f"torchvision with PIL to normalised float32, {WORKERS} workers"
TORCHVISION_UINT8 = f"torchvision with PIL to uint8, {WORKERS} workers"
PIL = f"the same steps in PIL, {WORKERS} processes"
PORTABLE = "kres without compiled operations"
DECODE = f"libjpeg-turbo's full decode alone, {WORKERS} threads"
TRAINING, EVALUATION = "training (random area 224, flip)", "evaluation (256, centre 224)"

# At least so many times as fast as each, where anybody has set a target.
TARGETS: dict[str, dict[str, float | None]] = {
    TRAINING: {TORCHVISION: 4.0, TORCHVISION_UINT8: None, PIL: None, DECODE: 0.95, PORTABLE: None},
    EVALUATION: {TORCHVISION_UINT8: 1.0, PIL: 1.0},
}


def _once(run: Callable[[], float]) -> list[float]:
    return [run()]


def main() -> None:
    options = arguments(__doc__)
    count, files, batch = (8, 8, 4) if options.toy else (8192, 256, 64)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as rivals:
        paths = write_photographs(Path(folder), files)
        from benchmarks.input_pipelines import Pipelines

        pipelines = Pipelines(Path(folder), count=count, batch=batch)
        pil = rivals.enter_context(PilRival([paths[number % files] for number in range(count)]))
        torchvision = rivals.enter_context(OtherProcess("input_torchvision", folder, count, batch))
        contestants: dict[str, dict[str, Callable[[], float]]] = {
            TRAINING: {
                KRES: pipelines.training,
                PORTABLE: pipelines.portable,
                DECODE: pipelines.decode,
                PIL: partial(pil.run, "training"),
            },
            EVALUATION: {KRES: pipelines.evaluation, PIL: partial(pil.run, "evaluation")},
        }
        if not torchvision.absent:
            contestants[TRAINING][TORCHVISION] = partial(torchvision.run, "training")
            contestants[TRAINING][TORCHVISION_UINT8] = partial(torchvision.run, "training in uint8")
            contestants[EVALUATION][TORCHVISION_UINT8] = partial(torchvision.run, "evaluation")
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
