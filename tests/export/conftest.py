"""A small residual network with lively norms, images for it, and Pythons that have an older or another runtime."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.export.classifiers import Classifier, write_classifiers
from tests.support import skip_or_fail

SHAPE = (16, 16, 3)
CLASSES = 5
# Python 3.11 is the last that the package was built for, and it was built against NumPy 1.
OLD_RUNTIME = ("tflite-runtime==2.14.0", "numpy<2")


def residual_net(*, activation: str | None = "softmax", seed: int = 0) -> keras.Model:
    """Give a network of one plain and one strided residual block on (n, 16, 16, 3), its norms far from identity."""
    layers = keras.layers

    def conv(x, width, *, kernel, stride, name):
        x = layers.Conv2D(width, kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
        return layers.BatchNormalization(name=f"{name}_norm")(x)

    x = images = keras.Input(SHAPE)
    x = layers.ReLU()(conv(x, 8, kernel=3, stride=1, name="stem"))
    for index, stride in enumerate((1, 2)):
        y = layers.ReLU()(conv(x, 16, kernel=3, stride=stride, name=f"block{index}_1"))
        y = conv(y, 16, kernel=3, stride=1, name=f"block{index}_2")
        x = layers.ReLU()(layers.Add()([y, conv(x, 16, kernel=1, stride=stride, name=f"block{index}_shortcut")]))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(CLASSES, activation=activation, dtype="float32", name="predictions")(x)
    model = keras.Model(images, x)
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.name == "moving_mean":
            variable.assign(rng.normal(0, 0.3, variable.shape))
        elif variable.name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif "kernel" in variable.name:
            fan_in = np.prod(variable.shape[:-1])
            variable.assign(rng.normal(0, (2 / fan_in) ** 0.5, variable.shape))
    return model


@pytest.fixture(scope="session")
def build_net() -> Callable[..., keras.Model]:
    """The network's builder."""
    return residual_net


@pytest.fixture(scope="session")
def model() -> keras.Model:
    """The network with a softmax."""
    return residual_net()


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Normalised images (64, 16, 16, 3), float32."""
    return np.random.default_rng(1).normal(size=(64, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="session")
def classifiers(tmp_path_factory) -> dict[str, Classifier]:
    """Files of a small classifier, one of each kind of input, in one directory with labels.txt."""
    return write_classifiers(tmp_path_factory.mktemp("classifiers"))


@pytest.fixture(scope="session")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python in an environment of its own that has tflite-runtime 2.14."""
    directory = tmp_path_factory.mktemp("tflite_runtime")
    python = directory / "bin" / "python"
    interpreter = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is not None:
        # uv brings the Python along where the machine has none.
        make = [uv, "venv", "--quiet", "--python", interpreter or "3.11", str(directory)]
        install = [uv, "pip", "install", "--quiet", "--python", str(python), *OLD_RUNTIME]
    elif interpreter is not None:
        make = [interpreter, "-m", "venv", str(directory)]
        install = [str(python), "-m", "pip", "install", "--quiet", *OLD_RUNTIME]
    else:
        skip_or_fail("tflite-runtime 2.14 needs Python 3.11, and there is neither that nor uv, which could bring it")
    for step in (make, install):
        done = subprocess.run(step, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            skip_or_fail(f"an environment with {OLD_RUNTIME} cannot be made: {done.stderr.strip()[-300:]}")
    return str(python)


@pytest.fixture(scope="session")
def arm_python() -> str:
    """A Python for AArch64 under emulation that has tflite-runtime 2.14."""
    python = Path(os.environ.get("KRES_AARCH64_PYTHON") or Path(sys.prefix, "aarch64", "python"))
    if not os.access(python, os.X_OK):
        skip_or_fail(f"no emulated AArch64 processor is set up (make aarch64). Looked for: {python}")
    return str(python)
