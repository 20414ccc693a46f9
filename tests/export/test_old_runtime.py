"""tflite-runtime 2.14 (2023, the last under that name, still on many devices) opens the files and answers the same."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kres
from kres import export
from kres.export.session import opened
from tests.support import skip_or_fail

FORMATS = ("float32", "float16", "dynamic", "int8", "int16x8", "weight_int8")
# Python 3.11 is the last that the package was built for, and it was built against NumPy 1.
REQUIREMENTS = ("tflite-runtime==2.14.0", "numpy<2")


@pytest.fixture(scope="module")
def old_python(tmp_path_factory):
    """A Python in an environment of its own that has tflite-runtime 2.14."""
    directory = tmp_path_factory.mktemp("tflite_runtime")
    python = directory / "bin" / "python"
    interpreter = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is not None:
        # uv brings the Python along where the machine has none.
        make = [uv, "venv", "--quiet", "--python", interpreter or "3.11", str(directory)]
        install = [uv, "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS]
    elif interpreter is not None:
        make = [interpreter, "-m", "venv", str(directory)]
        install = [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS]
    else:
        skip_or_fail("tflite-runtime 2.14 needs Python 3.11, and there is neither that nor uv, which could bring it")
    for step in (make, install):
        done = subprocess.run(step, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            skip_or_fail(f"an environment with {REQUIREMENTS} cannot be made: {done.stderr.strip()[-300:]}")
    return str(python)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """Every TFLite format of ResNet-20, and images (32, 32, 32, 3)."""
    model = kres.build("cifar_resnet20", input_shape=(32, 32, 3), classes=10)
    images = np.random.default_rng(0).normal(size=(32, 32, 32, 3)).astype(np.float32)
    directory = tmp_path_factory.mktemp("artifacts")
    expected = export.reference(model, images)
    reports = export.export_all(model, directory, FORMATS, expected=expected, calibration=images)
    return {report.format: report.path for report in reports}, images


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_same_answers_as_the_current_runtime(old_python, artifacts, name):
    paths, images = artifacts
    answers = []
    for runtime, python in (("ai_edge_litert", sys.executable), ("tflite_runtime", old_python)):
        with opened(paths[name], threads=1, runtime=runtime, python=python) as session:
            answers.append(np.stack([session.answer(image) for image in images]))
    # Probabilities. Float kernels differ in the order of sums alone. Where values are quantized a kernel may round
    # either way: XNNPACK to nearest, older int8 kernels twice, and 19 layers of that move a few of the 256 steps.
    tolerances = {"dynamic": 2e-2, "int8": 6 / 256, "int16x8": 6 / 32768}
    tolerance = tolerances.get(name, 1e-5)
    np.testing.assert_allclose(answers[0], answers[1], atol=tolerance, rtol=0)
    assert np.ptp(answers[0]) > 0.01
