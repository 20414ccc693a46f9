"""`kres serve-page`: an exported file in a browser, on this machine."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kres.cli import checks
from kres.cli.verify import AcceptLicence, Checkpoint, Classes, ImageSize, Weights

if TYPE_CHECKING:
    from kres.cli.models import Named

Preset = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        help="For a .keras file that kres did not build: torch, caffe, tf or cifar. Default: what the JSON that "
        "`kres export` wrote beside the file says.",
    ),
]
Pixels = Annotated[
    bool | None,
    typer.Option(
        "--pixels/--no-pixels",
        help="For a file whose TFLite Metadata do not say it, or that has none: whether raw pixels 0..255 go in.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="File of class names, one a line. Default: those in the artifact, else the run's own, or ImageNet's 1000.",
        callback=checks.labels,
    ),
]
Litert = Annotated[
    Path | None,
    typer.Option(help="A node_modules folder with LiteRT.js. Default: npm brings it once into $XDG_CACHE_HOME/kres."),
]


def serve_page(
    artifact: Annotated[
        Path, typer.Argument(metavar="ARTIFACT", help="A .tflite file that kres exported.", callback=checks.page_file)
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT_OR_MODEL",
            help="What the file was exported from. Default: the workdir in whose export/ the file lies.",
            callback=checks.source,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the page. Default: beside the file, its name with .web.")
    ] = None,
    labels: Labels = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On localhost; 0 takes any free one.")] = 8000,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Write the page and end.")] = False,
    litert: Litert = None,
    weights: Weights = None,
    accept_licence: AcceptLicence = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    preprocess: Preset = None,
    pixels: Pixels = None,
    checkpoint: Checkpoint = None,
) -> None:
    """Write a page that classifies pictures by a .tflite file inside the browser, and serve it until Ctrl-C.

    The folder is static: any web server may serve it, by https also to a phone.
    """
    from kres.cli.models import resolve
    from kres.export.browser import hosting
    from kres.export.browser.site import check_output, web_page

    folder = page_of(artifact) if output is None else output
    check_output(folder)
    with contextlib.ExitStack() as stack:
        # The port first: a page should not take a minute to find that it is in use.
        server = None if no_serve else stack.enter_context(hosting.server(folder, port))
        with Console(stderr=True).status("writing the page"):
            named = resolve(
                model or _workdir(artifact),
                weights=weights,
                accept_licence=accept_licence,
                classes=classes,
                image_size=image_size,
                preprocess=preprocess,
                checkpoint=checkpoint,
            )
            web_page(
                named.model,
                artifact,
                folder,
                labels=_class_names(artifact, named, labels),
                litert=litert,
                preprocess=named.preprocess,
                pixels=pixels,
            )
        typer.echo(f"Page: {folder}")
        if server is not None:
            typer.echo(f"Open {hosting.address(server)} (Ctrl-C ends)")
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()


def page_of(artifact: Path) -> Path:
    """The folder beside an artifact that its page gets by default."""
    return artifact.with_name(f"{artifact.name.removesuffix('.tflite')}.web")


def _class_names(artifact: Path, named: "Named", labels: Path | None) -> tuple[str, ...] | None:
    """The names of the classes: of the file `labels`, else those that the artifact holds, else what the model's are."""
    from kres.cli.models import class_names
    from kres.export.files import metadata

    held = metadata.labels(artifact) if labels is None and metadata.is_tflite(artifact) else None
    return class_names(named, labels) if held is None else held


def _workdir(artifact: Path) -> str:
    """The workdir whose export an artifact is; raises ValueError where it lies in none."""
    from kres.training.workdir import RUN

    workdir = artifact.resolve().parent.parent
    if not (workdir / RUN).is_file():
        raise ValueError(
            "the page prepares pictures as the Keras model does: name what the file was exported from with --model. "
            f"Received: {artifact}, in no workdir's export/"
        )
    return str(workdir)
