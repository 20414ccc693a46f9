"""`kres push`: a model with its card into a folder and, on request, to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

import kres
from kres.cli.export_weights import Force, PublishedWeights
from kres.cli.verify import AcceptLicence, Source


def push(
    source: Source,
    folder: Annotated[
        Path, typer.Argument(help="A new folder: model.keras, model.safetensors, config.json, README.md.")
    ],
    to: Annotated[str | None, typer.Option(help="Upload it too: OWNER/NAME on the Hugging Face hub.")] = None,
    token: Annotated[str | None, typer.Option(help="Default: HF_TOKEN, or what `hf auth login` keeps.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    weights: PublishedWeights = None,
    accept_licence: AcceptLicence = False,
    licence: Annotated[
        str | None, typer.Option(help="For the card, such as apache-2.0. Default: that of published weights.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="File of class names, one a line. Default: the run's own.")
    ] = None,
    force: Force = False,
) -> None:
    """Write a model with its card into a folder in the hub's layout, and upload it with --to."""
    from kres.cli.models import resolve
    from kres.training.cards import measured_of, training_notes
    from kres.weights.catalog import DEFAULT

    named = resolve(source, weights=weights, accept_licence=accept_licence, default_weights=DEFAULT)
    names = named.class_names if labels is None else labels.read_text(encoding="utf-8").splitlines()
    url = kres.push(
        named.model,
        folder,
        to=to,
        token=token,
        private=private,
        licence=licence,
        labels=names,
        measured=None if named.directory is None else measured_of(named.directory),
        notes="" if named.directory is None else training_notes(named.directory),
        overwrite=force,
    )
    typer.echo(url or str(folder))
