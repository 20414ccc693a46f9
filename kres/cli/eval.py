"""`kres eval`: the accuracy of a model on a data source."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

import kres
from kres.cli.export_weights import PublishedWeights
from kres.cli.verify import SOURCES, AcceptLicence, AsJson, Checkpoint, Classes, ImageSize, OnCorrupt, Source

if TYPE_CHECKING:
    from kres.preprocessing import Preprocess


def eval(  # noqa: A001 - the name of the command
    model: Source,
    data: Annotated[str | None, typer.Option(help=f"{SOURCES} Default: the run's own, in its own split.")] = None,
    weights: PublishedWeights = None,
    accept_licence: AcceptLicence = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    checkpoint: Checkpoint = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, test or all. Default: test, or for a row all where the source has no test split of its own."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images at a time; the result does not depend on it.")] = 128,
    on_corrupt: OnCorrupt = "fail",
    as_json: AsJson = False,
) -> None:
    """Evaluate a model: every image of the split once, prepared as its weights were published or trained with."""
    from kres.cli.models import images_of, resolve
    from kres.training import evaluate
    from kres.weights.catalog import DEFAULT

    console = Console(stderr=True)
    with console.status("building the model"):
        named = resolve(
            model,
            weights=weights,
            accept_licence=accept_licence,
            classes=classes,
            image_size=image_size,
            default_weights=DEFAULT,
            checkpoint=checkpoint,
        )
    source = images_of(named, data, on_corrupt=on_corrupt)  # shows its own progress
    # A saved model may have been trained on four fifths of these images; a row's weights come from elsewhere.
    is_row = weights is not None or named.weights is not None
    split = split or ("all" if source.held_out and is_row else "test")
    with console.status("running the model"):
        found = evaluate(named.model, source, split=split, batch_size=batch_size)
    preprocess = kres.preprocess(named.model)
    result: dict[str, Any] = {
        "model": named.name,
        "accuracy": found.accuracy,
        "n_images": found.n_images,
        "split": split,
        "corrupt": list(found.corrupt),
        "preprocess": preprocess.to_dict(),
        "published": None if named.weights is None else _published(named.weights),
    }
    if as_json:
        typer.echo(json.dumps(result))
        return
    left_out = f", {len(found.corrupt)} left out as corrupt" if found.corrupt else ""
    typer.echo(f"{found.accuracy:.2%} of {found.n_images} images ({split} of {source.name}) right{left_out}")
    if published := result["published"]:
        top1 = "no figure" if published["top1"] is None else f"{published['top1']:.2f}% of ImageNet's validation images"
        typer.echo(f"published for {published['weights']} at {published['size']} pixels: {top1}")
    typer.echo(f"each image: {_in_words(preprocess)}")


def _published(tag: str) -> dict[str, Any]:
    """What the publisher says of weights."""
    from kres.weights import PUBLISHED, published_name

    row = PUBLISHED[published_name(tag)]
    return {"weights": tag, "top1": row.top1, "size": row.preprocess.size}


def _in_words(preprocess: "Preprocess") -> str:
    size, shorter = preprocess.size, preprocess.shorter_side
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (preprocess.mean, preprocess.std))
    resized = f"shorter side to {shorter} pixels ({preprocess.interpolation}), central {size} x {size}"
    return f"{resized}, {preprocess.order}, mean {mean}, deviation {std} of 0..1"
