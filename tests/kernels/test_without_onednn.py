"""The two layers' own tests once more with oneDNN the other way round: it decides which kernels TensorFlow has."""

import os
import subprocess
import sys

import pytest

from tests.kernels.subprocesses import ROOT

FILES = ["tests/test_convolution.py", "tests/test_normalization.py", "tests/kernels/test_tensorflow_conv.py"]


@pytest.mark.slow
def test_layers_with_onednn_off() -> None:
    done = subprocess.run(
        # Without those that start a process: what they ask does not hang on oneDNN.
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not mirrored and not backend", *FILES],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
