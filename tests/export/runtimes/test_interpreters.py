"""An artifact is judged in every runtime that it is run in, and each is compared with the others."""

import sys

import numpy as np
import pytest

from kres import export
from kres.export.runtimes import interpreters
from kres.export.runtimes.interpreters import CURRENT, PACKAGES, Runtime, installed_runtimes, named_runtimes, variable


@pytest.fixture(scope="module")
def tflite(model, images, tmp_path_factory):
    """A float32 file of the model."""
    path = tmp_path_factory.mktemp("runtimes") / "m.tflite"
    export.tflite(model, path, images=images)
    return path


@pytest.fixture
def broken_python(tmp_path):
    """A program that ends as a Python without the runtime does."""
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\necho 'ModuleNotFoundError: No module named tflite_runtime' >&2\nexit 1\n")
    path.chmod(0o755)
    return path


def test_what_is_installed(monkeypatch):
    for name in PACKAGES:
        monkeypatch.delenv(variable(name), raising=False)
    assert installed_runtimes() == [CURRENT, Runtime(name="tf.lite")]
    monkeypatch.setenv("KRES_TFLITE_RUNTIME_PYTHON", sys.executable)
    assert installed_runtimes()[2] == Runtime(name="tflite-runtime", python=sys.executable)
    assert named_runtimes(["tflite-runtime"]) == [Runtime(name="tflite-runtime", python=sys.executable)]
    monkeypatch.setattr(interpreters, "find_spec", lambda name: None)
    monkeypatch.delenv("KRES_TFLITE_RUNTIME_PYTHON")
    assert installed_runtimes() == []


def test_runtimes_are_named_once_each_in_their_order(broken_python):
    found = named_runtimes(["tf.lite", "ai-edge-litert", "tf.lite", f"tflite-runtime={broken_python}"])
    assert [runtime.name for runtime in found] == ["tf.lite", "ai-edge-litert", "tflite-runtime"]
    assert found[2].python == str(broken_python)


def test_names_that_cannot_be(monkeypatch, tmp_path):
    monkeypatch.delenv("KRES_TFLITE_RUNTIME_PYTHON", raising=False)
    with pytest.raises(ValueError, match=r"tf\.lite or tflite-runtime\..* Received: runtime='tflite'"):
        named_runtimes(["tflite"])
    with pytest.raises(ValueError, match=r"not installed beside kres.*KRES_TFLITE_RUNTIME_PYTHON"):
        named_runtimes(["tflite-runtime"])
    with pytest.raises(ValueError, match="must be a program"):
        named_runtimes([f"tflite-runtime={tmp_path / 'python'}"])
    monkeypatch.setenv("KRES_TFLITE_RUNTIME_PYTHON", str(tmp_path / "python"))
    with pytest.raises(ValueError, match="must be a program"):
        installed_runtimes()


def test_verified_in_two_runtimes(model, images, tflite):
    report = export.verify(model, tflite, images, runtimes=named_runtimes(["ai-edge-litert", "tf.lite"]))
    assert report.passed and [row.runtime.split()[0] for row in report.runtimes] == ["ai-edge-litert", "tf.lite"]
    first, second = report.runtimes
    assert report.max_difference == first.max_difference and second.passed and second.agreement == 1
    assert second.cosine == pytest.approx(1) and second.mean_difference <= second.max_difference < 1e-4
    # Two builds of one interpreter: no further apart than each is from Keras.
    assert first.apart[0] == second.apart[1] == 0 and first.apart[1] == second.apart[0] < 1e-4


def test_one_runtime_that_cannot_run_it_fails_it_and_says_so(model, images, tflite, broken_python):
    other = Runtime(name="tflite-runtime", python=str(broken_python))
    report = export.verify(model, tflite, images, runtimes=[other, CURRENT])
    assert not report.passed and report.max_difference < 1e-4
    assert report.reason.startswith("in tflite-runtime ") and "No module named" in report.reason
    failed, passed = report.runtimes
    assert passed.passed and not failed.passed and failed.agreement is None and failed.apart == (None, None)
    with pytest.raises(export.ArtifactError, match="No module named"):
        export.verify(model, tflite, images, runtimes=[other])
    with pytest.raises(ValueError, match="at least one runtime"):
        export.verify(model, tflite, images, runtimes=[])


def test_a_file_that_fails_in_one_runtime_is_not_handed_over(model, images, tmp_path, broken_python):
    other = Runtime(name="tflite-runtime", python=str(broken_python))
    path = tmp_path / "m.tflite"
    with pytest.raises(export.RejectedError, match="in tflite-runtime"):
        export.tflite(model, path, images=images, runtimes=[CURRENT, other])
    assert not path.exists() and path.with_name("m.tflite.rejected").exists()


@pytest.mark.slow
def test_verified_in_all_three(model, images, tmp_path, old_python):
    all_three = named_runtimes(["ai-edge-litert", "tf.lite", f"tflite-runtime={old_python}"])
    report = export.tflite(
        model,
        tmp_path / "m.tflite",
        quantization="int8",
        calibration=images,
        runtimes=all_three,
        target_runtime="2.14",
    )
    assert report.passed and len(report.runtimes) == 3
    assert report.runtimes[2].runtime.startswith("tflite-runtime 2.14.0, ")
    assert all(row.agreement > 0.95 for row in report.runtimes)
    apart = np.array([row.apart for row in report.runtimes])
    assert np.array_equal(apart, apart.T) and not apart.diagonal().any()
