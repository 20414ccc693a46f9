import keras
import numpy as np
import pytest

from kres.initialization import HeNormal
from tests.kernels.subprocesses import run_python


def test_distribution_is_normal_with_the_variance_of_he() -> None:
    shape = (3, 3, 64, 128)
    values = np.asarray(HeNormal(seed=1)(shape)) / np.sqrt(2 / (3 * 3 * 128))
    # 73,728 draws: the standard errors are 0.004 of the mean, 0.003 of the deviation, 0.018 of the kurtosis.
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 1) < 0.015
    assert abs((values**4).mean() / values.var() ** 2 - 3) < 0.1
    assert abs((np.abs(values) < 1).mean() - 0.6827) < 0.01
    assert 3.5 < np.abs(values).max() < 4.4


def test_neighbours_are_independent() -> None:
    values = np.asarray(HeNormal(seed=2)((1, 1, 256, 256))).ravel()
    # Standard error 1 / 256.
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.02


def test_seeds() -> None:
    shape = (3, 3, 4, 8)
    np.testing.assert_array_equal(HeNormal(seed=3)(shape), HeNormal(seed=3)(shape))
    assert np.any(np.asarray(HeNormal(seed=3)(shape)) != np.asarray(HeNormal(seed=4)(shape)))
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        drawn.append([np.asarray(HeNormal()(shape)) for _ in range(2)])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.any(drawn[0][0] != drawn[0][1])


@pytest.mark.parametrize("dtype", [None, "float32", "bfloat16", "float64"])
def test_dtype(dtype: str | None) -> None:
    values = HeNormal()((3, 3, 2, 4), dtype=dtype)
    assert keras.backend.standardize_dtype(values.dtype) == (dtype or "float32")


def test_survives_serialization() -> None:
    again = keras.initializers.deserialize(keras.initializers.serialize(HeNormal(seed=6)))
    assert type(again) is HeNormal
    np.testing.assert_array_equal(again((1, 1, 3, 5)), HeNormal(seed=6)((1, 1, 3, 5)))


def test_same_values_on_another_backend() -> None:
    code = """
import numpy as np
from kres.initialization import HeNormal
print(" ".join(value.hex() for value in np.asarray(HeNormal(seed=7)((1, 1, 2, 3))).ravel().astype(float).tolist()))
"""
    here = np.asarray(HeNormal(seed=7)((1, 1, 2, 3))).ravel().astype(float).tolist()
    assert run_python(code, KERAS_BACKEND="numpy") == " ".join(value.hex() for value in here)
