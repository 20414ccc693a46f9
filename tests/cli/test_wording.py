"""Errors of the library in the words of the command line."""

import pytest
import typer

from kres.cli.app import app
from kres.cli.wording import in_options, unwrapped

COMMAND = typer.main.get_command(app)


@pytest.mark.parametrize(
    ("words", "message", "told"),
    [
        (
            "train",
            "2 cannot be decoded. on_corrupt='skip' goes on without them. Received: on_corrupt='fail'",
            "2 cannot be decoded. --on-corrupt skip goes on without them. Received: --on-corrupt fail",
        ),
        ("train", "seed must be whole. Received: seed=-1", "--seed must be whole. Received: --seed -1"),
        ("train", "Received: epochs=0.5.", "Received: --epochs 0.5."),
        (
            "train",
            "strategy 'one' takes 1. Received: strategy='one', devices=3",
            "--strategy 'one' takes 1. Received: --strategy one, --devices 3",
        ),
        (
            "train",
            "no seed here, and data='x', depths=(1, 2)",
            "no seed here, and data='x', depths=(1, 2)",
        ),  # no options
        ("train", "schedule.steps=3 and resume=True", "schedule.steps=3 and --resume"),  # a field, and a flag
        ("eval", "Received: data='a b/c'", "Received: --data a b/c"),
        ("runs", "sort must be x. Received: sort='y'", "--sort must be x. Received: --sort y"),
        ("data bench x", "Received: count=1, batch_size=2", "Received: --images 1, --batch-size 2"),
        ("export", "format must be x. Received: format='y'", "--format must be x. Received: --format y"),
        ("export", "equalize is for x. Received: equalize=True", "--equalize is for x. Received: --equalize"),
        ("", "seed must be whole. Received: seed=-1", "seed must be whole. Received: seed=-1"),
    ],
)
def test_arguments_are_named_as_the_commands_options(words, message, told):
    assert in_options(message, COMMAND, words.split()) == told


def test_only_paragraphs_break_lines():
    text = """First, and
    on.

    Second, and
    on.
    """
    assert unwrapped(text) == "First, and on.\n\nSecond, and on."
    assert unwrapped(None) == ""


def test_help_breaks_lines_where_the_terminal_ends():
    assert "write a checkpoint" in " ".join(COMMAND.commands["train"].help.splitlines())
    for command in COMMAND.commands.values():
        assert "\n" not in command.help.replace("\n\n", "")
