"""Ctrl-C: what a command says that has not said anything of it itself."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer


@contextmanager
def told() -> Iterator[None]:
    """Say that the command was interrupted, and raise KeyboardInterrupt whatever became of it on its way.

    Where it strikes within TensorFlow's C++, that raises another error for it. A command that handles SIGINT itself, or
    ends with an exit code of its own, has said what there is to say.
    """
    seen = False

    def note(number: int, frame: FrameType | None) -> NoReturn:
        nonlocal seen
        seen = True
        raise KeyboardInterrupt

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except (typer.Exit, SystemExit):
        raise
    except BaseException as error:
        if not seen and not isinstance(error, KeyboardInterrupt):
            raise
        typer.echo("interrupted", err=True)
        raise KeyboardInterrupt from error
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
