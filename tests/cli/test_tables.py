"""Tables of the commands in 80 columns of a terminal, and where standard output is none."""

import dataclasses
from typing import Any

import pytest

from kres.cli.bench import operators_table
from kres.cli.tables import console, figure, short, table, text, word
from kres.cli.verify import show
from kres.export import FORMATS, LayerError, Report, RuntimeReport, Timing
from kres.export.runtimes.benchmarking import Operator
from tests.support import TERMINAL

NAME = "cifar_resnet20_of_a_long_name"
RUNTIMES = ("ai-edge-litert 2.3.0, x86_64", "tf.lite 2.21.0, x86_64")


@pytest.fixture
def terminal(monkeypatch):
    for variable, value in TERMINAL.items():
        monkeypatch.setenv(variable, value)


def report(name: str) -> Report:
    figures: dict[str, Any] = {
        "agreement": 1.0,
        "max_difference": 3.2e-2,
        "mean_difference": 1.7e-3,
        "cosine": 0.9993217,
    }
    rows = [RuntimeReport(runtime=name, passed=True, reason="", apart=(8.2e-7, 8.2e-7), **figures) for name in RUNTIMES]
    return Report(
        path=f"{NAME}{FORMATS[name].suffix}",
        format=name,
        n=599,
        passed=name != "weight_int4",
        reason="",
        tolerance=FORMATS[name].tolerance,
        size_bytes=102_345_678,
        top1=1.0,
        runtimes=tuple(rows),
        layers=(LayerError(name="stage1_block1_shortcut_conv", snr_db=31.26, own_snr_db=40.0, kind="Conv2D"),),
        **figures,
    )


def shown(capsys, description: str = "599 held-out images of digits") -> str:
    show([report(name) for name in FORMATS], description=description, as_json=False, skipped={"onnx": "why"})
    return capsys.readouterr().out


def test_formats_verdicts_and_figures_are_whole_in_80_columns(terminal, capsys):
    lines = shown(capsys).splitlines()
    assert "…" not in "".join(lines)
    # What the terminal itself wraps is a sentence, and no row.
    assert max(len(line) for line in lines if not line.startswith("failed")) <= 80
    firsts = [line.split() for line in lines if line.split()[1:2] and line.split()[1] in FORMATS]
    assert [words[1] for words in firsts] == [*FORMATS, "onnx"]
    verdicts = ["failed" if name == "weight_int4" else "passed" for name in FORMATS]
    assert [words[-1] for words in firsts] == [*verdicts, "skipped"]
    assert all(
        words[2:] == ["102.35", "MB", "100.00", "%", "100.00", "%", "3.2e-02", words[-1]] for words in firsts[:-1]
    )
    of_runtimes = [line for line in lines if "1.7e-03" in line]
    assert len(of_runtimes) == 2 * len(FORMATS)
    assert all("3.2e-02" in line and "0.9993 8.2e-07" in line for line in of_runtimes)


def test_a_file_or_a_pipe_gets_a_line_a_row(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown(capsys).splitlines()
    for name in FORMATS:
        path = f"{NAME}{FORMATS[name].suffix}"
        rows = [line for line in lines if line.startswith(f"{path} ")]
        assert len(rows) == 3, "one of the artifact, and one in each runtime"
        assert all(any(runtime in row for row in rows[1:]) for runtime in RUNTIMES)


def test_operators_and_their_layers(terminal, capsys):
    layer = "stage4_block1_shortcut_conv_of_a_name_too_long_for_80_columns"
    operators = (Operator(name="PAD + DEQUANTIZE + CONV_2D", layer=layer, ms=0.00534, share=0.5),)
    figures = {"median_ms": 1.0, "low_ms": 1.0, "high_ms": 1.0, "size_bytes": 1, "peak_bytes": None}
    timing = Timing(path="m.tflite", format="int8", threads=2, runs=3, **figures, operators=operators)
    for as_terminal in (True, False):
        console(force_terminal=as_terminal).print(operators_table(timing, 5))
        out = capsys.readouterr().out
        assert "0.0053" in out and "50.0%" in out and (layer in out) != as_terminal


def test_only_text_gives_way(terminal, capsys):
    rows = table(text("name"), word("kind"), figure("share"))
    rows.add_row("n" * 70, "k" * 20, "0.1234")
    console().print(rows)
    head, _, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "kind", "share"]
    assert first.split() == ["n" * 52, "k" * 20, "0.1234"] and second.split() == ["n" * 18]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        *((0.0, "0"), (1e-9, "0"), (0.000053, "0.0001"), (0.00534, "0.0053"), (0.0287, "0.0287"), (9.7512, "9.75")),
        # Rounding adds a digit before the point.
        *((0.09996, "0.100"), (0.99999, "1.00"), (9.999, "10.0"), (99.96, "100"), (999.7, "1000"), (1234.5, "1234")),
    ],
)
def test_numbers_have_three_digits_and_four_decimals_at_most(value, words):
    assert short(value) == words


def test_a_report_as_json_has_every_digit(capsys):
    show([report("int8")], description="", as_json=True)
    assert str(dataclasses.asdict(report("int8"))["cosine"]) in capsys.readouterr().out
