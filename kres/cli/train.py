"""`kres train`: a recipe, a data source and a workdir."""

import json
import logging
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kres.cli import tables
from kres.cli.verify import SOURCES, OnCorrupt

if TYPE_CHECKING:
    from kres.training import Recipe, Result

logger = logging.getLogger(__name__)

RECIPE, QAT_RECIPE, SMOKE_DATA = "transfer", "qat", "digits"


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help=f"{SOURCES} Default: what the recipe is for.",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help=f"A name of kres list --recipes. Default: {RECIPE}, which fine-tunes a trained network."),
    ] = None,
    workdir: Annotated[
        Path | None, typer.Option(help="Where the run is kept. Default: runs/RECIPE-DATA.", show_default=False)
    ] = None,
    qat: Annotated[
        bool,
        typer.Option(
            "--qat",
            help=f"Quantization-aware training of --init, by the recipe {QAT_RECIPE} or another with quantization.",
        ),
    ] = False,
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Start from this float network: a run's workdir, a .keras file, or weights of the recipe's network.",
            show_default=False,
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PART.FIELD=VALUE",
            help="Change a field that --dry-run shows; none unsets one, [] empties a list. May be repeated.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint; without one, begin.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of initial weights, order and augmentation.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Squeeze or stretch the schedule to this many steps.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Squeeze or stretch it to this many epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step, over all devices.")] = None,
    keep: Annotated[int | None, typer.Option(help="How many checkpoints stay, and the best besides.")] = None,
    strategy: Annotated[str, typer.Option(help="auto, one, mirrored, multi_worker or tpu.")] = "auto",
    devices: Annotated[int | None, typer.Option(help="How many GPUs (or, without one, logical CPUs).")] = None,
    on_corrupt: OnCorrupt = "fail",
    deterministic: Annotated[bool, typer.Option("--deterministic", help="Bit-for-bit repeatable on one CPU.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the recipe, its steps, learning rates and memory; train nothing.")
    ] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Shrink the recipe to seconds: does everything in it run?")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result to standard output as JSON.")] = False,
) -> None:
    """Train a network by a recipe, evaluate it on the test images and keep everything in a workdir.

    Without a recipe, a trained network is fine-tuned on the images in DATA. With --qat and --init, one is trained to
    compute in int8, by default on the images of its run. Ctrl-C and SIGTERM finish the step, write a
    checkpoint and end with 130 and 143; --resume goes on from there. Another, a second later or more, ends
    without a checkpoint.
    """
    from kres.training import fit
    from kres.training.distribution import find_cluster

    cluster = find_cluster()
    if qat and init is None:
        raise ValueError("--qat trains a float network further: name its checkpoint with --init. Received: no --init")
    data = data or _data_of(init)
    if recipe is None and data is None and not smoke:
        raise ValueError(
            "what to train on must be named: kres train DATA, or kres train --recipe NAME. Received: neither"
        )
    published, chosen = _chosen(
        recipe or (QAT_RECIPE if qat else RECIPE),
        changes or [],
        init=init,
        shorthands={"batch_size": batch_size, "watch.keep_checkpoints": keep},
        steps=steps,
        epochs=epochs,
        smoke=smoke,
    )
    if qat and chosen.quantization is None:
        raise ValueError(f"--qat needs a recipe with quantization, as {QAT_RECIPE} has. Received: --recipe {recipe}")
    data = data or (SMOKE_DATA if smoke else chosen.about.data)
    if dry_run:
        _show_plan(chosen, data, before=published, as_json=as_json)
        return
    with (
        _place(workdir, chosen, data, temporary=smoke) as place,
        ends_with_its_exit_code("Go on with --resume."),
        _tells_where_weights_go(chosen),
    ):
        result = fit(
            chosen,
            data=data,
            workdir=place,
            seed=seed,
            strategy=strategy,
            devices=devices,
            resume=resume,
            on_corrupt=on_corrupt,
            deterministic=deterministic,
        )
    if cluster is not None and cluster.index > 0:
        return  # worker 0 speaks for all
    if as_json:
        typer.echo(json.dumps(result.to_dict()))
    else:
        typer.echo(_closing(result, kept=place.exists()))


def _closing(result: "Result", *, kept: bool) -> str:
    """How a run ended and what to do with it; of one that left nothing behind, the first."""
    ended = (
        f"{result.accuracy:.2%} of {result.n_images} test images right after {result.steps} steps "
        f"({result.seconds:.0f} s)"
    )
    if not kept:
        return ended
    where = shlex.quote(str(result.workdir))
    ended = f"{ended}: {result.model_path}"
    if better := _better(result):
        ended += f"\n{better}: --checkpoint best, to predict, eval and export"
    return f"{ended}\nNext: kres predict {where} photo.jpg, or kres export {where} --format int8"


def _better(result: "Result") -> str:
    """The best checkpoint of a run in words; empty where that is its last."""
    from kres.training.checkpoints import best_step
    from kres.training.workdir import CHECKPOINTS

    best = best_step(result.workdir / CHECKPOINTS)
    row = next((row for row in result.history if row.step == best and best != result.steps), None)
    return "" if row is None or row.test_accuracy is None else f"best {row.test_accuracy:.2%} at step {row.step}"


def _chosen(
    name: str,
    changes: list[str],
    *,
    init: Path | None,
    shorthands: Mapping[str, int | None],
    steps: int | None,
    epochs: float | None,
    smoke: bool,
) -> "tuple[Recipe, Recipe]":
    """The recipe of that name as it is published, and as the options change it."""
    from kres.training import recipe, starting_from
    from kres.training.settings import overrides
    from kres.training.settings.smoke import smoke as shrunk

    if steps is not None and epochs is not None:
        raise ValueError(f"a run has one length: --steps or --epochs. Received: steps={steps}, epochs={epochs:g}")
    published = recipe(name)
    named = [f"{field}={value}" for field, value in shorthands.items() if value is not None]
    chosen = published if init is None else starting_from(published, init)
    chosen = overrides.apply(chosen, [*changes, *named])
    if steps is not None:
        chosen = chosen.with_length(steps, "steps")
    if epochs is not None:
        chosen = chosen.with_length(epochs, "epochs")
    return published, shrunk(chosen) if smoke else chosen


def _data_of(init: Path | None) -> str | None:
    from kres.training.starting import data_of

    return None if init is None else data_of(init)


def _show_plan(recipe: "Recipe", data: str, *, before: "Recipe", as_json: bool) -> None:
    from kres.training.data import counts
    from kres.training.plan import describe, plan

    train_images, classes = counts(data)
    planned = plan(recipe, train_images)
    if as_json:
        typer.echo(json.dumps({"data": data, **planned.to_dict(classes=classes)}, indent=2))
    else:
        tables.console().print(describe(planned, classes=classes, before=before))


@contextmanager
def _place(workdir: Path | None, recipe: "Recipe", data: str, *, temporary: bool) -> Iterator[Path]:
    """The workdir that was named, or the usual one; without a name a smoke run leaves nothing behind."""
    if workdir is not None:
        yield workdir
    elif temporary:
        with tempfile.TemporaryDirectory(prefix="kres-smoke-") as folder:
            yield Path(folder)
    else:
        yield Path("runs") / f"{recipe.name}-{Path(data).expanduser().resolve().name.replace(':', '-')}"


@contextmanager
def _tells_where_weights_go(recipe: "Recipe") -> Iterator[None]:
    """Say of weights that could not be downloaded by which options this command takes others."""
    from kres.weights import DownloadError

    try:
        yield
    except DownloadError as error:
        teacher = "" if recipe.loss.teacher is None else ", of the teacher loss.teacher.weights=PATH"
        raise DownloadError(
            f"{error} A path is given with --set network.weights=PATH{teacher}; "
            "--set network.weights=none starts with random weights."
        ) from error


@contextmanager
def ends_with_its_exit_code(advice: str) -> Iterator[None]:
    """End the command as a run that stops within says.

    That is with 130 or 143 after a signal, 138 when another worker is gone (which tells a cluster to start again), 3
    when its loss is not finite. `advice` tells how a stopped run goes on.
    """
    from kres.training import Interrupted, NotFinite
    from kres.training.distribution import WorkerLost

    try:
        yield
    except Interrupted as interrupted:
        logger.warning("%s %s", interrupted, advice)
        raise typer.Exit(interrupted.exit_code) from interrupted
    except WorkerLost as lost:
        logger.error("%s", lost)
        raise typer.Exit(lost.exit_code) from lost
    except NotFinite as error:
        logger.error("%s", error)
        raise typer.Exit(error.exit_code) from error
