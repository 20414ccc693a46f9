import math

import numpy as np
import pytest
import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training.data import arrays
from kres.training.data.evaluation import evaluation_batches

PREPROCESS = Preprocess(size=4, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bilinear")


class AsTheyAre(Preprocess):
    """Images that have their size already: what is counted is quick to trace."""

    def image_to_square(self, image):
        return tf.ensure_shape(image, (4, 4, 3))


QUICK = AsTheyAre(**PREPROCESS.to_dict())


def _split(count):
    """Image i is filled with the value i + 1, its label is 2 i."""
    images = np.tile(np.arange(1, count + 1, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))
    names = tuple(map(str, range(2 * count)))
    return arrays((images, 2 * np.arange(count)), (images, 2 * np.arange(count)), class_names=names).test


def _run(split, batch_size, shard=(0, 1), preprocess=QUICK):
    return list(evaluation_batches(split, preprocess, batch_size=batch_size, shard=shard).as_numpy_iterator())


# Each count with a batch size and a number of workers of its own: 50 cases go through the pairs of 1..8 and 1..6.
@pytest.mark.parametrize("count", range(1, 51))
def test_every_image_counts_once_on_any_number_of_workers(count):
    batch_size, workers = 1 + count % 8, 1 + count * 5 % 6
    split = _split(count)
    runs = [_run(split, batch_size, (number, workers)) for number in range(workers)]
    assert len({len(run) for run in runs}) == 1
    seen = []
    for images, labels, weights in (batch for run in runs for batch in run):
        assert images.shape == (batch_size, 4, 4, 3) and images.dtype == np.uint8
        assert labels.shape == weights.shape == (batch_size,)
        assert set(weights) <= {0.0, 1.0}
        assert not images[weights == 0].any()
        seen += (images[weights == 1, 0, 0, 0].astype(int) - 1).tolist()
        np.testing.assert_array_equal(labels[weights == 1], 2 * (images[weights == 1, 0, 0, 0].astype(int) - 1))
    assert seen == list(range(count))  # in the split's order, too
    # No more batches than the largest share needs.
    assert len(runs[0]) == math.ceil(math.ceil(count / workers) / batch_size)


def test_images_are_prepared_as_the_network_wants_them():
    images = np.random.default_rng(0).integers(0, 256, (5, 9, 7, 3)).astype("uint8")
    split = arrays((images, np.arange(5)), (images, np.arange(5)), class_names=tuple("abcde")).test
    found = np.concatenate([batch[0] for batch in _run(split, 2, preprocess=PREPROCESS)])
    np.testing.assert_array_equal(found[:5], [PREPROCESS.image_to_square(image) for image in images])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"batch_size": 2, "shard": (2, 2)}, r"Received: shard=\(2, 2\)"),
        ({"batch_size": 2, "shard": (-1, 2)}, r"Received: shard=\(-1, 2\)"),
        ({"batch_size": 2, "shard": (0, 0)}, r"Received: shard=\(0, 0\)"),
    ],
)
def test_sizes_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        evaluation_batches(_split(3), PREPROCESS, **arguments)
