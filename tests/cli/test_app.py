"""The command as a person meets it: help, versions, tables, and errors in a line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kres
from kres.cli.app import COMMANDS, app, run


def invoke(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_help_names_every_command_and_what_it_does():
    shown = invoke("--help").stdout
    for name in COMMANDS:
        assert name in shown
        assert invoke(name, "--help").exit_code == 0


def test_version():
    assert invoke("--version").stdout == f"kres {kres.__version__}\n"


def test_list_shows_every_row_and_filters():
    every = json.loads(invoke("list", "--json").stdout)
    assert sorted(every) == kres.list_models()
    assert list(json.loads(invoke("list", "plain*", "--json").stdout)) == kres.list_models("plain*")
    assert "resnext50_32x4d" in invoke("list", "resnext*").stdout


def test_info_shows_the_fields_and_the_published_weights():
    found = json.loads(invoke("info", "resnet50", "--json").stdout)
    assert found["depths"] == [3, 4, 6, 3]
    assert "tv_in1k" in found["weights"]
    assert "25557032" in invoke("info", "resnet50").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "resnet51"], "Closest: resnet50"),
        (["train", "cifar_resnet2O", "--data", "digits", "--workdir", "w"], "cifar_resnet20"),
        (["export", "no_such_net", "--all"], "no_such_net"),
        (["eval", "nothing.keras", "--data", "digits"], "nothing.keras"),
    ],
)
def test_a_users_mistake_ends_with_one_line_and_exit_code_2(arguments, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["kres", *arguments])
    with pytest.raises(SystemExit) as ended:
        run()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("error: ")
    assert message in told
    assert "Traceback" not in told


def test_the_command_turns_onednn_on_and_a_library_import_does_not():
    """oneDNN is chosen as TensorFlow is imported, so it takes a fresh process to see."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    code = "import os; {}; print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'))"
    command = (
        "import kres_command, sys; sys.argv = ['kres', '--version']\ntry: kres_command.main()\nexcept SystemExit: pass"
    )
    for script, expected in (
        (f"import os\n{command}\nprint(os.environ['TF_ENABLE_ONEDNN_OPTS'])", "1"),
        (code.format("import kres"), "None"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == expected
