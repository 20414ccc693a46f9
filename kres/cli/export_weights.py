"""`kres export-weights`: a model's weights for other libraries."""

from pathlib import Path
from typing import Annotated

import typer

import kres
from kres.cli.verify import AcceptLicence, Source

PublishedWeights = Annotated[
    str | None, typer.Option("--weights", help="For a row: a published tag or a file. Default: imagenet.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what such a call wrote before.")]


def export_weights(
    source: Source,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The file to write: .safetensors or .h5.")],
    weights: PublishedWeights = None,
    accept_licence: AcceptLicence = False,
    force: Force = False,
) -> None:
    """Write a model's weights under timm's names (.safetensors) or keras.applications' (.h5)."""
    from kres.cli.models import resolve
    from kres.weights.catalog import DEFAULT

    named = resolve(source, weights=weights, accept_licence=accept_licence, default_weights=DEFAULT)
    kres.export_weights(named.model, output, overwrite=force)
    typer.echo(f"{output}: {output.expanduser().stat().st_size:,} bytes")
