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
        ("export", "batch must be 1. Received: batch=0 for x", "--batch must be 1. Received: --batch 0 for x"),
        (
            "bench",
            "threads and runs must be 1. Received: threads=0",
            "threads and runs must be 1. Received: --threads 0",
        ),
        ("", "seed must be whole. Received: seed=-1", "seed must be whole. Received: seed=-1"),
    ],
)
def test_arguments_are_named_as_the_commands_options(words, message, told):
    assert in_options(message, COMMAND, words.split()) == told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("data inspect", "every class of f/test must be a class of f/train. Received: bird"),
        (
            "data inspect",
            "every example needs the features 'image' (bytes) and 'label' (int64). Received: f, where none",
        ),
        ("data inspect", "labels of 'f' must lie in 0..1 (2 classes). Received: label=2 in the test split."),
        ("export", "labels of 'f' must lie in 0..1 (2 classes). Received: label=2 in the test split."),
        ("export", "every class has a name of one line. Received: '' for class 0"),
        ("export", "every name or pattern must find a layer. Closest: stem_conv. Received: 'x'"),
        ("export", "images must be normalised floats, as model.preprocess gives them. Received: uint8"),
        ("predict", "every class has a name of one line. Received: '' for class 0"),
        ("predict", "labels must name every class once. Received: 2 names, 3 classes"),
    ],
)
def test_plain_english_that_is_also_an_options_name_stays(words, message):
    assert in_options(message, COMMAND, words.split()) == message


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
