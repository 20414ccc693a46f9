"""`kres train`: a recipe, a data source and a workdir."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from kres.cli.verify import OnCorrupt

logger = logging.getLogger(__name__)


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, such as cifar_resnet20.")],
    workdir: Annotated[Path, typer.Option(help="Where the run is kept: new, empty, or with --resume this run's.")],
    data: Annotated[str, typer.Option(help="digits, an image folder, a TFDS name or a TFDS directory.")] = "digits",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    seed: Annotated[int, typer.Option(help="Of initial weights, order and augmentation.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Squeeze the schedule to this many steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step, over all devices.")] = None,
    strategy: Annotated[str, typer.Option(help="auto, one or mirrored.")] = "auto",
    devices: Annotated[int | None, typer.Option(help="How many GPUs (or, without one, logical CPUs).")] = None,
    on_corrupt: OnCorrupt = "fail",
    deterministic: Annotated[bool, typer.Option("--deterministic", help="Bit-for-bit repeatable on one CPU.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result to standard output as JSON.")] = False,
) -> None:
    """Train a network, evaluate it on the test images and keep everything in a workdir.

    Ctrl-C and SIGTERM finish the step, write a checkpoint and end with 130 and 143; --resume goes on from there.
    """
    from kres.training import fit

    with ends_with_its_exit_code("Go on with --resume."):
        result = fit(
            recipe,
            data=data,
            workdir=workdir,
            seed=seed,
            steps=steps,
            batch_size=batch_size,
            strategy=strategy,
            devices=devices,
            resume=resume,
            on_corrupt=on_corrupt,
            deterministic=deterministic,
        )
    if as_json:
        typer.echo(json.dumps(result.to_dict()))
    else:
        typer.echo(
            f"{result.accuracy:.2%} of {result.n_images} test images right after {result.steps} steps "
            f"({result.seconds:.0f} s): {result.model_path}"
        )


@contextmanager
def ends_with_its_exit_code(advice: str) -> Iterator[None]:
    """End the command as a run that stops within says: 130 or 143 after a signal, 1 when its loss is not finite.

    `advice` tells how a stopped run goes on.
    """
    from kres.training import Interrupted, NotFinite

    try:
        yield
    except Interrupted as interrupted:
        logger.warning("%s %s", interrupted, advice)
        raise typer.Exit(interrupted.exit_code) from interrupted
    except NotFinite as error:
        logger.error("%s", error)
        raise typer.Exit(1) from error
