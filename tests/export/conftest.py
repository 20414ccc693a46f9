"""A small residual network with lively norms, and images for it; a model in one step of training from ready."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from tests.export.classifiers import Classifier, write_classifiers

SHAPE = (16, 16, 3)
CLASSES = 5


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
