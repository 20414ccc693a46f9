"""`kres export-weights`: a model's weights for PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

import kres
from kres.cli.verify import AcceptLicence, Source
from kres.weights.catalog import DEFAULT

PublishedWeights = Annotated[
    str | None, typer.Option("--weights", help=f"For a row: a published tag or a file. Default: {DEFAULT}.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what such a call wrote before.")]


def export_weights(
    source: Source,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT.safetensors", help="The file to write.")],
    weights: PublishedWeights = None,
    accept_licence: AcceptLicence = False,
    force: Force = False,
) -> None:
    """Write a model's weights as safetensors under timm's names, which timm and torch load."""
    from kres.cli.models import resolve

    named = resolve(source, weights=weights, accept_licence=accept_licence, default_weights=DEFAULT)
    kres.export_weights(named.model, output, overwrite=force)
    typer.echo(f"{output}: {output.expanduser().stat().st_size:,} bytes")
