"""The notebooks run from top to bottom, and are kept without output."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from safetensors.numpy import save

from tests import golden_weights
from tests.weights.hub_server import serving

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# What each must have come to, in its own words.
PRINTED = {
    "01_quickstart": ["held-out digits right", "a 0: answered"],
    "02_zoo": ["timm/resnet18.a1_in1k", "head alone: ", "with stage 4: ", "layers became"],
    "03_degradation": ["Degradation is shown", "residual, 26 layers: ", "(b) BN after the sum: ", "gamma 0: highest"],
    "04_export": [
        "tf.lite 2.",
        "spoilt.int8.tflite.rejected: top-1 loses",
        "equalize",
        "trained on with them",
        "a 1: answered",
    ],
}


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == list(PRINTED)


@pytest.fixture
def hub(tmp_path_factory, monkeypatch):
    """A hub on the loopback, from which the real download code gets made-up weights of ResNet-18."""
    with serving() as host:
        state = golden_weights.state_dict(golden_weights.load("resnet18"))
        host.files["/timm/resnet18.a1_in1k/resolve/main/model.safetensors"] = save(state)
        monkeypatch.setenv("HF_ENDPOINT", host.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield host


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# The kernel's messages travel over an event loop that pytest would see being closed late.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notebook_runs_in_an_empty_directory(path, tmp_path, hub):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert [words for words in PRINTED[path.stem] if words not in printed] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_output(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
