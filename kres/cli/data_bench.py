"""`kres data bench`: how fast a source of images can feed a network here."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from kres.cli.catalogue import AsJson
from kres.cli.data import DataSource
from kres.cli.train import RECIPE

ADVICE = {
    "storage": "a faster disk, or a copy on one, makes training's input faster",
    "decode": "more CPU cores, or smaller files, make training's input faster",
    "augmentation": "more CPU cores, or less of it on the CPU, make training's input faster",
}

SLOWER = " (compiled ones are for bilinear crops that are at most flipped, and take a C++ compiler)"


def bench(
    source: DataSource,
    recipe: Annotated[str, typer.Option(help="Whose image size and augmentation to measure.")] = RECIPE,
    count: Annotated[int, typer.Option("--images", help="Images that each figure is taken over.")] = 1000,
    batch_size: Annotated[int, typer.Option(help="Images at a time.")] = 64,
    as_json: AsJson = False,
) -> None:
    """Measure what the input can give: images a second of reading, decoding, training and evaluation, each alone.

    A GPU that trains faster than that waits for its images. Numbers are of this machine, as busy as it is now.
    """
    from kres.training import recipe as recipe_of
    from kres.training.data import load
    from kres.training.data.speed import measure_speed

    chosen = recipe_of(recipe)
    opened = load(source, on_corrupt="skip")
    speed = measure_speed(opened, chosen.images, chosen.augmentation, count=count, batch_size=batch_size)
    if as_json:
        typer.echo(
            json.dumps({"name": opened.name, "recipe": chosen.name, **asdict(speed), "bottleneck": speed.bottleneck})
        )
        return
    figures = {
        "reading": speed.reading,
        "reading and decoding": speed.decoding,
        "training pipeline": speed.training,
        "evaluation pipeline": speed.evaluation,
    }
    for name, rate in figures.items():
        typer.echo(f"{name:22}{'images are arrays' if rate is None else f'{rate:,.0f} images/s'}")
    operations = "compiled operations" if speed.compiled else "TensorFlow's own operations" + SLOWER
    typer.echo(f"{'JPEGs are cut by':22}{operations}")
    shares = ", ".join(f"{stage} {share:.0%}" for stage, share in speed.shares.items())
    typer.echo(f"of training's time: {shares}")
    typer.echo(f"bottleneck: {speed.bottleneck} ({ADVICE[speed.bottleneck]})")
