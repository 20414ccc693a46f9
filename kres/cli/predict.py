"""`kres predict`: what is on these images?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

import kres
from kres.cli import tables
from kres.cli.export_weights import PublishedWeights
from kres.cli.verify import AcceptLicence, AsJson, Checkpoint, Classes, ImageSize, Labels, Source

if TYPE_CHECKING:
    from kres.preprocessing import Preprocess


def predict(
    source: Source,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="JPEG, PNG, BMP or GIF files.")],
    weights: PublishedWeights = None,
    accept_licence: AcceptLicence = False,
    top: Annotated[int, typer.Option(min=1, help="How many classes an image; all where there are fewer.")] = 5,
    labels: Labels = None,
    classes: Classes = None,
    image_size: ImageSize = None,
    checkpoint: Checkpoint = None,
    as_json: AsJson = False,
) -> None:
    """Name what is on images, each resized, cropped and normalised as in the model's evaluation."""
    from kres.cli.models import are_imagenets, class_names, resolve
    from kres.weights.catalog import DEFAULT

    for path in images:  # before minutes go by
        if path.is_dir():
            raise IsADirectoryError(f"an image is a file, not a directory. Received: {path}")
        if not path.exists():
            raise FileNotFoundError(f"no such image file. Received: {path}")
    with Console(stderr=True).status("running the model"):
        named = resolve(
            source,
            weights=weights,
            accept_licence=accept_licence,
            classes=classes,
            image_size=image_size,
            default_weights=DEFAULT,
            checkpoint=checkpoint,
        )
        scores = [_scores(named.model, path) for path in images]
    # ImageNet's have WordNet ids beside their names, which `decode_predictions` knows.
    imagenet = labels is None and are_imagenets(named)
    names = None if imagenet else class_names(named, labels) or [str(index) for index in range(scores[0].shape[-1])]
    found = [kres.decode_predictions(row, min(top, row.shape[-1]), labels=names)[0] for row in scores]
    if as_json:
        rows = [
            {"image": str(path), "predictions": [{"id": c, "name": name, "score": score} for c, name, score in best]}
            for path, best in zip(images, found, strict=True)
        ]
        typer.echo(json.dumps({"model": named.name, "images": rows}, indent=2))
        return
    table = tables.table(tables.text("image"), tables.text("class"), tables.figure("score"))
    for path, best in zip(images, found, strict=True):
        for rank, (identifier, name, score) in enumerate(best):
            full = name if identifier == name else f"{name} ({identifier})"
            table.add_row("" if rank else escape(str(path)), escape(full), f"{score:.4f}")
    tables.console().print(table)


def _scores(model: Any, path: Path) -> Any:
    """The model's answer (1, classes) to one image file."""
    preprocess = kres.preprocess(model)
    return model(preprocess(_read(path, preprocess))[None], training=False)


def _read(path: Path, preprocess: "Preprocess") -> Any:
    """An image file as the evaluation's pipeline reads it: (s, s, 3) uint8."""
    import tensorflow as tf

    from kres.imagefiles import decode

    content = path.read_bytes()
    try:
        image = decode(tf.constant(content))
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"an image must be a JPEG, PNG, BMP or GIF file that decodes. Received: {path}") from error
    return preprocess.image_to_square(image)
