"""tflite-runtime 2.14 (2023, the last under that name, still on many devices) opens the files and answers the same."""

import sys

import keras
import numpy as np
import pytest

import kres
from kres import export
from kres.export.runtimes.session import opened

FORMATS = ("float32", "float16", "dynamic", "int8", "int16x8", "weight_int8")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """Every TFLite format of ResNet-20, and images (32, 32, 32, 3)."""
    # Random networks multiply roundings, some as far as ten steps of int8; this one goes as far as two.
    keras.utils.set_random_seed(3)
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
