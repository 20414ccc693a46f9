"""The command as a person meets it: help, versions, tables, and errors in a line."""

import fnmatch
import json
import logging
import os
import subprocess
import sys
from logging.handlers import MemoryHandler
from pathlib import Path

import pytest
from huggingface_hub.utils.logging import get_logger
from typer.testing import CliRunner

import kres
from kres.cli.app import COMMANDS, DATA_COMMANDS, app, run
from kres.export import extras
from kres.training import list_recipes
from kres.weights import hub
from tests.support import TERMINAL


def invoke(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_help_names_every_command_and_what_it_does():
    shown = invoke("--help").stdout
    for name in COMMANDS:
        assert name in shown
        assert invoke(name, "--help").exit_code == 0


def test_version():
    assert invoke("--version").stdout == f"kres {kres.__version__}\n"


def test_help_versions_and_mistyped_words_do_not_wait_for_tensorflow():
    """By what is imported rather than by the clock, which counts what else the machine does."""
    commands = [[name] for name in COMMANDS] + [["data", name] for name in DATA_COMMANDS]
    lines = [
        *(["--version"], ["--help"], ["data", "--help"]),
        *(["trian"], ["train", "--recipes", "transfer"], ["data", "sample"]),
        *([*words, "--help"] for words in commands),
    ]
    code = (
        "import contextlib, sys, kres_command\n"
        f"for words in {lines!r}:\n"
        "    sys.argv[1:] = words\n"
        "    with contextlib.suppress(SystemExit): kres_command.main()\n"
        "    print('IMPORTED', sorted({'tensorflow', 'keras', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("IMPORTED")] == ["IMPORTED []"] * len(lines)
    assert done.stdout.startswith(f"kres {kres.__version__}\n")
    for words in commands:
        assert f"Usage: kres {' '.join(words)} " in done.stdout
    for mistake in ("No such command 'trian'. Did you mean 'train'?", "No such option: --recipes", "'sample'"):
        assert mistake in done.stderr


def test_the_hubs_client_does_not_say_everything_twice():
    """It has a handler of its own, beside that of the command, which stands at the root."""
    invoke("list", "resnet18", "--json")
    assert get_logger().handlers
    at_root = MemoryHandler(10)
    logging.getLogger().addHandler(at_root)
    get_logger("huggingface_hub.retries").warning("again")
    logging.getLogger().removeHandler(at_root)
    assert at_root.buffer == []


def test_list_shows_every_row_and_filters():
    every = json.loads(invoke("list", "--json").stdout)
    assert sorted(every) == kres.list_models()
    assert list(json.loads(invoke("list", "plain*", "--json").stdout)) == kres.list_models("plain*")
    assert "resnext50_32x4d" in invoke("list", "resnext*").stdout


def test_list_shows_published_weights_and_marks_their_licences():
    every = json.loads(invoke("list", "--pretrained", "--json").stdout)
    assert list(every) == kres.list_models(pretrained=True)
    found = json.loads(invoke("list", "--pretrained", "resnext101_32x8d", "--json").stdout)
    row = found["resnext101_32x8d.fb_swsl_ig1b_ft_in1k"]
    assert row["non_commercial"]
    assert (row["licence"], row["params"], row["top1"]) == ("cc-by-nc-4.0", 88_791_336, 84.276)
    assert row["preprocess"]["crop"] == 0.875
    shown = invoke("list", "--pretrained", "resnext101_32x8d").stdout
    lines = {line.split()[0]: line for line in shown.splitlines() if "resnext101" in line}
    assert set(lines) == set(found)  # whole names, where the output is no terminal
    assert {name for name, line in lines.items() if "*" in line} == {
        name for name, row in found.items() if row["non_commercial"]
    }


def test_list_shows_recipes_with_their_scores():
    every = json.loads(invoke("list", "--recipes", "--json").stdout)
    assert sorted(every) == list_recipes()
    assert list(json.loads(invoke("list", "bit_*", "--recipes", "--json").stdout)) == fnmatch.filter(every, "bit_*")
    shown = invoke("list", "--recipes").stdout
    for words in (*every, "91.25 % of the test images", "imagenet2012"):
        assert words in shown
    assert "Received: 'bat_*'" in str(invoke("list", "bat_*", "--recipes").exception)
    assert "--pretrained and --recipes" in str(invoke("list", "--recipes", "--pretrained").exception)


def test_info_shows_the_fields_and_the_published_weights():
    found = json.loads(invoke("info", "resnet50", "--json").stdout)
    assert found["depths"] == [3, 4, 6, 3]
    assert "tv_in1k" in found["weights"]
    assert "25,557,032" in invoke("info", "resnet50").stdout


@pytest.mark.parametrize(
    ("row", "facts"),
    [
        ("resnext50_32x4d", ["3x3 128, 32 groups", "7x7 64 /2", "6 blocks of", "14x14x1024", "block 1 shortcut"]),
        ("seresnet18", ["SE 8", "3x3 max /2", "7x7x512"]),
        ("keras_resnet50v2", ["block 3 conv2", "global average"]),
        ("cifar_resnet20", ["32x32x16", "dense 10", "3 blocks of"]),
    ],
)
def test_info_draws_the_stages_in_80_columns(row, facts):
    result = CliRunner(env=TERMINAL).invoke(app, ["info", row])
    assert result.exit_code == 0, result.exception
    assert max(map(len, result.stdout.splitlines())) <= 80
    for fact in facts:
        assert fact in result.stdout


def test_info_parts_add_up_to_the_totals():
    found = json.loads(invoke("info", "resnet18", "--image-size", "64", "--layers", "--json").stdout)
    for cost in ("params", "macs", "activations"):
        assert sum(part[cost] for part in found["parts"]) == found["costs"][cost]
        assert sum(layer[cost] for layer in found["costs"]["layers"]) == found["costs"][cost]
    assert [(part["name"], part["stride"]) for part in found["parts"]] == [
        *(("stem", 4), ("stage1", 4), ("stage2", 8), ("stage3", 16), ("stage4", 32), ("head", None))
    ]
    assert "stage1_block1_conv1" in invoke("info", "resnet18", "--layers").stdout


def test_info_of_a_file(tmp_path):
    spec = kres.Spec(block="basic", depths=(1,), widths=(8,), stem="cifar", classes=3, input_size=8)
    kres.build(spec, name="mine").save(tmp_path / "mine.keras")
    assert "1 block of" in invoke("info", str(tmp_path / "mine.keras")).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "resnet51"], "Closest: resnet50"),
        (["train", "digits", "--recipe", "cifar_resnet2O", "--workdir", "w"], "cifar_resnet20"),
        (["export", "no_such_net", "--all"], "no_such_net"),
        (["export", "resnet18", "--weights", "fb_swsl_ig1b_ft_in1k", "--format", "float32"], "--accept-licence"),
        (["verify", "resnet18", "x.tflite", "--weights", "fb_swsl_ig1b_ft_in1k"], "cc-by-nc-4.0"),
        (["eval", "nothing.keras", "--data", "digits"], "nothing.keras"),
    ],
)
def test_a_users_mistake_ends_with_one_line_and_exit_code_2(arguments, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("x.tflite").touch()
    monkeypatch.setattr(sys, "argv", ["kres", *arguments])
    with pytest.raises(SystemExit) as ended:
        run()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("error: ")
    assert message in told
    assert "Traceback" not in told


def test_a_missing_extra_ends_with_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    spec = kres.Spec(block="basic", depths=(1,), widths=(8,), stem="cifar", classes=3, input_size=8)
    kres.build(spec, name="mine").save("mine.keras")
    # The beginning of an ONNX file: its IR version, then its producer.
    Path("m.onnx").write_bytes(bytes((0x08, 8, 0x12, 0)))
    for arguments in (["export", "mine.keras", "--format", "onnx"], ["verify", "mine.keras", "m.onnx"]):
        monkeypatch.setattr(sys, "argv", ["kres", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        told = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2
        assert told[-1].startswith("error: ") and "pip install 'kres[onnx]'" in told[-1]
        assert "Traceback" not in told


def test_an_accepted_licence_reaches_the_download(monkeypatch, tmp_path):
    def fetch(name, row):
        raise OSError(f"{name} would be downloaded")

    monkeypatch.setattr(hub, "fetch", fetch)
    weights = ["--weights", "fb_swsl_ig1b_ft_in1k", "--accept-licence"]
    (artifact := tmp_path / "x.tflite").touch()
    for command in (["export", "resnet18", "--format", "float32"], ["verify", "resnet18", str(artifact)]):
        assert str(invoke(*command, *weights).exception) == "resnet18.fb_swsl_ig1b_ft_in1k would be downloaded"


def test_the_command_turns_onednn_on_and_a_library_import_does_not():
    """oneDNN is chosen as TensorFlow is imported, so it takes a fresh process to see."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    code = "import os; {}; print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'))"
    command = (
        "import contextlib, kres_command, sys\nsys.argv = ['kres', 'list', 'resnet18']\n"
        "with contextlib.suppress(SystemExit): kres_command.main()"
    )
    # What a run does next: it chooses devices, then decodes images, where oneDNN would complain on some CPUs.
    unsettled = (
        "import tensorflow as tf\ncpus = tf.config.list_physical_devices('CPU')\n"
        "tf.config.set_logical_device_configuration(cpus[0], 2 * [tf.config.LogicalDeviceConfiguration()])\n"
        "tf.transpose(tf.zeros((2, 2), tf.uint8))\nassert len(tf.config.list_logical_devices('CPU')) == 2"
    )
    for script, expected in (
        (f"import os\n{command}\n{unsettled}\nprint(os.environ['TF_ENABLE_ONEDNN_OPTS'])", "1"),
        (code.format("import kres"), "None"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == expected
        assert "oneDNN supports" not in done.stderr
