"""Ctrl-C: what a command says that has not said anything of it itself."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn

import typer


@contextmanager
def told() -> Iterator[None]:
    """Say that the command was interrupted, and raise KeyboardInterrupt whatever became of it on its way.

    Where it strikes within TensorFlow's C++, that raises another error for it. A command that handles SIGINT itself, or
    ends with an exit code of its own, has said what there is to say.
    """
    struck: dict[FrameType, int] = {}

    def note(number: int, frame: FrameType | None) -> NoReturn:
        struck.clear()
        while frame is not None:
            struck[frame] = frame.f_lasti
            frame = frame.f_back
        raise KeyboardInterrupt

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except (typer.Exit, SystemExit):
        raise
    except BaseException as error:
        if not _of_an_interrupt(error, struck):
            raise
        typer.echo("interrupted", err=True)
        raise KeyboardInterrupt from error
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _of_an_interrupt(error: BaseException, struck: Mapping[FrameType, int]) -> bool:
    """Whether an error is an interrupt, came while one was handled, or is what the call raises that was interrupted.

    `struck` are the calls that the last interrupt found, each frame with the instruction that it was at. C++ keeps no
    trace of what it turns into another error: that error comes out of the very instruction that was being executed.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        cause = cause.__context__
    places = [(place.tb_frame, place.tb_lasti) for place in _places(error)]
    common = [(frame, at) for frame, at in places if frame in struck]
    return bool(common) and struck[common[-1][0]] == common[-1][1]


def _places(error: BaseException) -> Iterator[TracebackType]:
    """The frames that an error went through, the outermost first."""
    place = error.__traceback__
    while place is not None:
        yield place
        place = place.tb_next
