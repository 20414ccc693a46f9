"""A training step of ResNet-20 within the loop of `kres train`, with its readouts, against the same step alone."""

import tempfile
from pathlib import Path

from benchmarks.harness import Row, arguments, in_turns, report

# isort: split
from benchmarks.training_runs import bare_steps, plain_recipe, random_source
from kres.training import Recipe, fit
from kres.training.data import Source


def steps_in_the_loop(chosen: Recipe, source: Source) -> list[float]:
    """Seconds of a training step, a mean over each readout's steps but the first's, where the graph is made."""
    with tempfile.TemporaryDirectory() as folder:
        result = fit(chosen, data=source, workdir=Path(folder) / "run")
    return [chosen.batch_size / row.images_per_second for row in result.history[1:]]


def main() -> None:
    options = arguments(__doc__)
    size, batch, steps, every = (8, 2, 2, 1) if options.toy else (32, 128, 120, 20)
    source = random_source(size=size, classes=10, count=4 * batch)
    chosen = plain_recipe("cifar_resnet20", size=size, batch=batch, steps=steps, every=every)
    contestants = {
        "kres": lambda: steps_in_the_loop(chosen, source),
        "stock": lambda: bare_steps(chosen, source),
    }
    seconds = in_turns(contestants, options.rounds)
    name = f"ResNet-20 step, batch {batch}, {size} px, in the loop against alone"
    report([Row(name=name, kres=seconds["kres"], stock=seconds["stock"], target=1.02, at_most=True)], options)


if __name__ == "__main__":
    main()
