"""`kres eval`: the accuracy of a trained model on a data source."""

import json
from pathlib import Path
from typing import Annotated

import typer

from kres.cli.verify import OnCorrupt


def eval(  # noqa: A001 - the name of the command
    model: Annotated[Path, typer.Argument(help="A workdir or a .keras file.")],
    data: Annotated[str, typer.Option(help="digits, an image folder, a TFDS name or a TFDS directory.")],
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    batch_size: Annotated[int, typer.Option(help="Images at a time; the result does not depend on it.")] = 128,
    on_corrupt: OnCorrupt = "fail",
    as_json: Annotated[bool, typer.Option("--json", help="Write the result to standard output as JSON.")] = False,
) -> None:
    """Evaluate a trained model: every image of the split once."""
    from kres.training import evaluate, load_model

    found = evaluate(load_model(model), data, split=split, batch_size=batch_size, on_corrupt=on_corrupt)
    if as_json:
        result = {"accuracy": found.accuracy, "n_images": found.n_images, "corrupt": list(found.corrupt)}
        typer.echo(json.dumps(result))
    else:
        left_out = f", {len(found.corrupt)} left out as corrupt" if found.corrupt else ""
        typer.echo(f"{found.accuracy:.2%} of {found.n_images} {split} images right{left_out}")
