import numpy as np
import pytest
import tensorflow as tf

from kres.training.augmentation import Numbers, Stream


def _numbers(position, seed=0):
    return Numbers(seed, tf.constant(position, tf.int64))


def test_numbers_depend_on_seed_position_and_stream_alone():
    first = _numbers(7).uniform(Stream.CROP, 4).numpy()
    tf.random.set_seed(99)
    np.testing.assert_array_equal(first, _numbers(7).uniform(Stream.CROP, 4))
    others = [_numbers(8).uniform(Stream.CROP, 4), _numbers(7, 1).uniform(Stream.CROP, 4)]
    others += [_numbers(7).uniform(stream, 4) for stream in Stream if stream != Stream.CROP]
    others += [_numbers(6).uniform(stream, 4) for stream in Stream]
    rows = np.stack([first, *others])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_uniform_numbers_fill_the_unit_interval():
    found = np.stack([_numbers(position).uniform(Stream.FLIP, 3) for position in range(500)])
    assert found.min() >= 0 and found.max() < 1
    # 1,500 numbers: 150 expected in each tenth, with a standard deviation of 12.
    assert np.abs(np.histogram(found, 10, (0, 1))[0] - 150).max() < 60


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_beta_is_distributed_as_numpys(alpha):
    count = 2000
    drawn = tf.data.Dataset.range(count).map(lambda position: Numbers(0, position).beta(Stream.MIX_SHARE, alpha))
    found = np.sort(list(drawn.as_numpy_iterator()))
    expected = np.sort(np.random.default_rng(0).beta(alpha, alpha, count))
    places = np.concatenate([found, expected])
    apart = np.abs(np.searchsorted(found, places, "right") - np.searchsorted(expected, places, "right")) / count
    # Smirnov's test of two samples: one in ten thousand pairs of the same distribution lies further apart.
    assert apart.max() < np.sqrt(np.log(2e4) / count)


def test_beta_of_a_tiny_alpha_is_a_coin():
    found = [float(_numbers(position).beta(Stream.MIX_SHARE, 1e-6)) for position in range(200)]
    assert all(value < 1e-6 or value > 1 - 1e-6 for value in found)
    assert 60 < sum(value > 0.5 for value in found) < 140
