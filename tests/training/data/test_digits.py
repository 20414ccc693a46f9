import numpy as np

from kres.training.data.digits import digits, enlarge
from kres.training.data.evaluation import evaluation_batches
from kres.training.preprocessing import preprocess_of
from kres.training.recipes import recipe


def _images(split):
    batches = evaluation_batches(split, preprocess_of(recipe("digits_resnet20").images), batch_size=600)
    return np.concatenate([images for images, _, _ in batches])[: len(split)]


def test_the_embedded_digits_and_their_split_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    train, test = train_test_split(np.arange(1797), test_size=599, stratify=bunch.target, random_state=0)
    source = digits()
    for indices, split in ((np.sort(train), source.train), (np.sort(test), source.test)):
        np.testing.assert_array_equal(split.labels, bunch.target[indices])
        np.testing.assert_array_equal(_images(split), enlarge(bunch.images[indices]))


def test_what_the_source_knows():
    source = digits()
    assert (len(source.train), len(source.test), source.classes) == (1198, 599, 10)
    assert not source.flip_keeps_label
    assert np.bincount(source.test.labels).tolist() == [59, 61, 59, 61, 60, 61, 60, 60, 58, 60]


def test_enlarge_is_bilinear_with_half_pixel_centres():
    ramp = np.tile(np.arange(0, 16, 2), (8, 1))[None]
    row = enlarge(ramp)[0, 0, :, 0].astype(float)
    centres = np.clip((np.arange(32) + 0.5) / 4 - 0.5, 0, 7)
    np.testing.assert_allclose(row, np.rint(centres * 2 * 255 / 16), atol=1)  # a rounding of one half may go either way
    assert enlarge(np.full((1, 8, 8), 16)).min() == 255


def test_the_recipe_normalises_by_the_training_split():
    found = recipe("digits_resnet20").images
    pixels = _images(digits().train) / 255
    np.testing.assert_allclose((pixels.mean(), pixels.std()), (found.mean[0], found.std[0]), atol=2e-3)
