"""The `kres` command: its subcommands in one table, and how errors reach a person."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from kres.cli import interrupts
from kres.cli.bench import bench
from kres.cli.catalogue import list_
from kres.cli.compare import compare_
from kres.cli.data import app as data
from kres.cli.data import inspect
from kres.cli.data_bench import bench as data_bench
from kres.cli.degradation import degradation_
from kres.cli.demo import demo
from kres.cli.eval import eval as evaluate
from kres.cli.export import export
from kres.cli.export_weights import export_weights
from kres.cli.formats import check_together
from kres.cli.info import info
from kres.cli.launch import launch_
from kres.cli.predict import predict
from kres.cli.push import push
from kres.cli.runs import runs
from kres.cli.serve_page import serve_page
from kres.cli.train import train
from kres.cli.verify import verify
from kres.cli.wording import in_options, unwrapped
from kres.version import __version__

COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_,
    "info": info,
    "train": train,
    "runs": runs,
    "eval": evaluate,
    "predict": predict,
    "export": export,
    "export-weights": export_weights,
    "push": push,
    "verify": verify,
    "bench": bench,
    "serve-page": serve_page,
    "compare": compare_,
    "launch": launch_,
    "degradation": degradation_,
    "demo": demo,
}
DATA_COMMANDS: dict[str, Callable[..., None]] = {"inspect": inspect, "bench": data_bench}

# Of a command's options, what can be refused of several together before its work begins.
CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {"export": check_together}

# What follows the command to launch is that command's, with or without `--` before it.
SETTINGS = {"launch": {"allow_interspersed_args": False}}

# What a user did, or the machine could not: told in a line. Anything else is a defect of kres and keeps its traceback.
TOLD_IN_A_LINE = (ValueError, OSError, ModuleNotFoundError)

logger = logging.getLogger("kres")


class BegunCommand(typer.core.TyperCommand):
    """A command whose work begins with the function in its context's `obj`, where there is one."""

    def invoke(self, ctx: Any) -> object:
        """Check the options together, call that function, then the command's own."""
        if ctx.info_name in CHECKS:
            CHECKS[ctx.info_name](ctx.params)
        if ctx.obj is not None:
            _begin(ctx.obj)
        return super().invoke(ctx)


class ToldGroup(typer.core.TyperGroup):
    """All the commands: an interrupt is told wherever it strikes, be it as the options are read."""

    def invoke(self, ctx: Any) -> object:
        """Read the command's options, and invoke it."""
        with interrupts.told():
            return super().invoke(ctx)


def _begin(start: Callable[[], None]) -> None:
    """Call `start`, whose seconds a line on a terminal explains; what is written there meanwhile may be held back."""
    if not Console(stderr=True).is_terminal:
        start()
        return
    with os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal, Console(file=terminal).status("loading TensorFlow"):
        start()


app = typer.Typer(
    name="kres",
    cls=ToldGroup,
    help="The ResNet family for Keras 3, from constructor to phone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group, commands in ((app, COMMANDS), (data, DATA_COMMANDS)):
    for name, command in commands.items():
        settings = SETTINGS.get(name)
        group.command(name, cls=BegunCommand, help=unwrapped(command.__doc__), context_settings=settings)(command)
app.add_typer(data, name="data")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kres {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, and show tracebacks.")] = False,
) -> None:
    """The ResNet family for Keras 3, from constructor to phone."""
    console = Console(stderr=True)
    # A file or a pipe gets a line a message, where rich would break it at 80 columns.
    handler = (
        RichHandler(console=console, show_path=False, show_time=False)
        if console.is_terminal
        else logging.StreamHandler()
    )
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    # It has a handler of its own, and would say everything twice.
    logging.getLogger("huggingface_hub").propagate = False


def run(start: Callable[[], None] | None = None) -> None:
    """Run the command; errors of its user end it with exit code 2 and one line on standard error.

    `start` is called once it is known what there is to do: not for help, nor for words that mean no command.
    """
    try:
        app(prog_name="kres", obj=start)
    except TOLD_IN_A_LINE as error:
        if logger.isEnabledFor(logging.DEBUG):
            raise
        told = in_options(str(error), typer.main.get_command(app), sys.argv[1:])
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(told)}", highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
