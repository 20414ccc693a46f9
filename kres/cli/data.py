"""`kres data`: what is in a source of labelled images."""

import json
from typing import Annotated

import numpy as np
import typer

from kres.cli.catalogue import AsJson

app = typer.Typer(help="Look at the images that a run trains on.", no_args_is_help=True)
DataSource = Annotated[
    str, typer.Argument(metavar="SOURCE", help="What --data of `kres train` takes: digits, a folder, a TFDS name, ...")
]


@app.command()
def inspect(source: DataSource, as_json: AsJson = False) -> None:
    """Count the images of every class."""
    from kres.training.data import load

    opened = load(source, on_corrupt="skip")
    counts = {
        name: np.bincount(opened.split(name).labels, minlength=opened.classes).tolist() for name in ("train", "test")
    }
    if as_json:
        typer.echo(json.dumps({"name": opened.name, "classes": opened.class_names, "counts": counts}))
        return
    for index, name in enumerate(opened.class_names):
        typer.echo(f"{name}: {counts['train'][index]} to train, {counts['test'][index]} to test")
