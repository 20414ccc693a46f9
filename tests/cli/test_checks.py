"""Options that are refused before TensorFlow takes its seconds, in the words of the command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kres.cli import checks
from kres.cli.models import resolve
from tests.support import closed_directory

REFUSED = {
    "export m --format flaot32": "float32, float16, dynamic, int8, int16x8, weight_int8, weight_int4 or onnx. "
    "Did you mean 'float32'? Received: --format flaot32",
    "export m --format int8 --io unit8": "--io must be one of float32, int8, uint8 or int16. Did you mean 'uint8'? "
    "Received: --io unit8",
    "export m --labels nofile": "--labels is a text file of class names, one a line. Received: nofile, which is not",
    "predict m i.png --labels folder": "names, one a line. Received: folder, which is a directory",
    "export m --output README.md": "an artifact needs a directory. Received: README.md, where README.md is a file",
    "export m --runtime tflite": "--runtime must be one of ai-edge-litert, tf.lite or tflite-runtime. Did you mean "
    "'tf.lite'? Received: --runtime tflite",
    "verify README.md m.tflite": "a model is a workdir, a .keras file or a row of `kres list`; other weights go behind "
    "--weights. Received: README.md, a file of another kind",
    "verify no/such m.tflite": "no such model: a workdir, a .keras file or a row of `kres list`; other weights",
    "verify m no.tflite": "no such artifact. Received: no.tflite",
    "verify ~nosuchuser/m.keras m.tflite": "no such model: a workdir, a .keras file or a row of",
    "serve-page no.tflite": "as kres export writes them. Received: no.tflite, which is not there",
    "serve-page m.tflite": "Received: m.tflite, an empty file",
    "serve-page tfl3 --model README.md": "Received: README.md, a file of another kind",
    "export m": "or give --all. Received: neither",
    "export m --format int8 --max-drop 1": "--max-drop goes with --auto. Received: --max-drop 1 alone",
    "export m --format float32 --auto": "--auto is for int8 alone. Received: --auto for float32",
    "export m --format float32 --io int8": "--io must be float32 for float32. Received: --io int8",
    "bench folder": "a SavedModel: a directory that holds a saved_model.pb. Received: folder, a directory without one",
}


def test_a_mistake_does_not_wait_for_tensorflow(tmp_path):
    """By what is imported rather than by the clock, which counts what else the machine does."""
    (tmp_path / "folder").mkdir()
    for name in ("README.md", "m.tflite"):
        (tmp_path / name).touch()
    (tmp_path / "tfl3").write_bytes(b"    TFL3")
    code = (
        "import json, os, sys, kres_command\n"
        f"os.chdir({str(tmp_path)!r})\n"
        f"for words in {list(REFUSED)!r}:\n"
        "    sys.argv[1:] = words.split()\n"
        "    try: kres_command.main()\n"
        "    except SystemExit as ended: code = ended.code\n"
        "    print(json.dumps([words, code, sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [[words, 2, []] for words in REFUSED]
    for line, told in zip(done.stderr.splitlines(), REFUSED.values(), strict=True):
        assert line.startswith("error: ") and told in line


def test_what_cannot_be_read_or_written(tmp_path):
    with closed_directory(tmp_path) as closed, pytest.raises(PermissionError, match=r"can be written\. Received"):
        checks.output(closed / "out")
    with pytest.raises(ValueError, match=r"target_runtime must be 2\.14\. Received: target_runtime='2'"):
        checks.target_runtime("2")


def test_a_user_whom_the_machine_does_not_know_has_no_models():
    with pytest.raises(ValueError, match="no network of that name"):
        resolve("~nosuchuser")


def test_what_is_right_is_given_on(tmp_path):
    (names := tmp_path / "names.txt").touch()
    assert checks.labels(names) == names and checks.labels(None) is None
    assert checks.formats(["int8", "int8"]) == ["int8", "int8"] and checks.formats(None) is None
    assert checks.io("uint8") == "uint8" and checks.target_runtime("2.14") == "2.14"
    assert checks.output(tmp_path / "a" / "b") == tmp_path / "a" / "b" and checks.output(None) is None
    assert checks.runtimes(["ai-edge-litert"]) == ["ai-edge-litert"]
    for model in ("cifar_resnet20", str(tmp_path), "resnet18"):
        assert checks.source(model) == model
