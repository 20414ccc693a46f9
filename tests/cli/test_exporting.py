"""The work of `kres export`: what it says as it goes on, and what an interrupt leaves."""

import sys

import pytest
from typer.testing import CliRunner

from kres.cli.app import app
from kres.export.formats import FORMATS
from tests.cli.processes import finish, start

# The command, and Ctrl-C as soon as the folder is there.
INTERRUPTED = """
import os, signal, kres_command
make = os.mkdir
def mkdir(path, *arguments):
    make(path, *arguments)
    if os.path.basename(path) == "out":
        signal.raise_signal(signal.SIGINT)
os.mkdir = mkdir
kres_command.main()
"""
ROW = ("cifar_resnet20", "--classes", "5", "--image-size", "16")


def export(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def test_an_interrupt_is_told_and_leaves_no_empty_folder(tmp_path):
    folder = tmp_path / "deep" / "out"
    program = [sys.executable, "-c", INTERRUPTED]
    process = start("export", *ROW, "--format", "float32", "--output", str(folder), program=program)
    out, err = finish(process, 130)
    assert out == "" and err.splitlines()[-1] == "interrupted" and "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_what_stood_in_a_folder_stays_when_an_export_stops(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kres.export.preparation.deliver", stop)
    (tmp_path / "thesis.txt").touch()
    for folder, left in ((tmp_path, ["thesis.txt"]), (tmp_path / "out", ["thesis.txt"])):
        result = export(*ROW, "--format", "float32", "--output", folder)
        assert result.exit_code == 130 and result.stderr.splitlines()[-1] == "interrupted"
        assert [path.name for path in tmp_path.iterdir()] == left


def test_a_line_a_format_where_standard_error_is_no_terminal(tmp_path):
    formats = ("--format", "float32", "--format", "float16")
    result = export(*ROW, *formats, "--no-bench", "--output", tmp_path)
    assert result.exit_code == 0, result.exception
    told = [line.split(" in ")[0] for line in result.stderr.splitlines() if " of 2: " in line]
    assert told == [
        f"{number} of 2: cifar_resnet20{FORMATS[name].suffix} passed"
        for number, name in enumerate(("float32", "float16"), 1)
    ]
    assert "batch norms folded" not in result.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--format", "float32", "--calibration-seed", "3"), "Received: calibration_seed=3 for float32"),
        (
            ("--format", "float32", "--calibration-images", "64"),
            "a float model alone. Received: calibration_images=64",
        ),
        (("--format", "int8", "--percentile", "99.99"), "goes with ranges='percentile'. Received: percentile=99.99"),
        (("--format", "int8", "--ranges", "mse", "--percentile", "99"), "percentile=99.0, ranges='mse'"),
        (("--format", "float32", "--auto"), "--auto is for int8 alone. Received: --auto for float32"),
        (
            ("--format", "float16", "--equalize", "--keep-float", "a", "--keep-float", "b"),
            "equalize=True and keep_float='a, b' are for int8 alone. Received: formats float16",
        ),
        (("--format", "float32", "--io", "int8"), "io must be float32 for float32. Received: io='int8'"),
    ],
)
def test_options_that_nothing_takes_are_refused(options, told, tmp_path):
    result = export(*ROW, *options, "--output", tmp_path / "out")
    assert isinstance(result.exception, ValueError) and told in str(result.exception)
    assert not (tmp_path / "out").exists()
