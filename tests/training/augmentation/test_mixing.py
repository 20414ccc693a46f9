import numpy as np
import pytest
import tensorflow as tf

from kres.training.augmentation import Numbers, augment_batch, batch_numbers
from kres.training.settings import Augmentation

MEAN = (0.4, 0.5, 0.6)
SIZE, CLASSES = 16, 5


def _images(count=8):
    """Image i is filled with the value 10 i."""
    values = np.arange(count, dtype=np.uint8) * 10
    return np.tile(values[:, None, None, None], (1, SIZE, SIZE, 3)), np.arange(count, dtype=np.int32) % CLASSES


def _draws(augmentation, *, step=0, count=8, seed=0):
    rows = [
        batch_numbers(
            Numbers(seed, tf.constant(step * count + place, tf.int64)),
            Numbers(seed, tf.constant(step, tf.int64)),
            augmentation=augmentation,
            size=SIZE,
        )
        for place in range(count)
    ]
    return np.stack(rows)


def _run(augmentation, images, labels, draws):
    found = augment_batch(
        tf.constant(images),
        tf.constant(labels),
        tf.constant(draws),
        augmentation=augmentation,
        classes=CLASSES,
        mean=MEAN,
    )
    return tuple(part.numpy() for part in found)


def test_nothing_switched_on_only_changes_the_type():
    images, labels = _images()
    augmentation = Augmentation(crop="none")
    draws = _draws(augmentation)
    assert draws.shape == (8, 0)
    found, targets = _run(augmentation, images, labels, draws)
    np.testing.assert_array_equal(found, images.astype(np.float32))
    np.testing.assert_array_equal(targets, np.eye(CLASSES)[labels])


def test_mixup_takes_one_share_of_all_images_and_the_rest_of_their_neighbours():
    images, labels = _images()
    augmentation = Augmentation(crop="none", mixup=1.0)
    for step in range(5):
        draws = _draws(augmentation, step=step)
        share = draws[0, 0]
        assert 0 < share < 1 and (draws == draws[0]).all()
        found, targets = _run(augmentation, images, labels, draws)
        partners = np.arange(8) ^ 1
        np.testing.assert_allclose(found, share * images + (1 - share) * images[partners], atol=1e-4)
        expected = share * np.eye(CLASSES)[labels] + (1 - share) * np.eye(CLASSES)[labels[partners]]
        np.testing.assert_allclose(targets, expected, atol=1e-6)


def test_cutmix_pastes_a_box_and_its_share_of_the_area_is_its_share_of_the_target():
    images, labels = _images()
    augmentation = Augmentation(crop="none", cutmix=1.0)
    shares = []
    for step in range(40):
        found, targets = _run(augmentation, images, labels, _draws(augmentation, step=step))
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
        pasted = found[:, :, :, 0] == images[np.arange(8) ^ 1, :, :, 0]
        assert (pasted | (found[:, :, :, 0] == images[:, :, :, 0])).all()
        assert (pasted == pasted[0]).all()
        rows, columns = pasted[0].any(axis=1), pasted[0].any(axis=0)
        np.testing.assert_array_equal(pasted[0], np.outer(rows, columns))
        np.testing.assert_allclose(targets[np.arange(8), labels], 1 - pasted[0].mean(), atol=1e-6)
        shares.append(pasted[0].mean())
    assert max(shares) > 0.5 and min(shares) < 0.1


@pytest.mark.parametrize("options", [{"mixup": 0.2}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0, "erase": 0.5}])
@pytest.mark.parametrize("parts", [2, 4])
def test_a_divided_batch_gives_what_the_whole_one_gives(options, parts):
    images, labels = _images()
    augmentation = Augmentation(crop="none", **options)
    draws = _draws(augmentation, step=3)
    whole = _run(augmentation, images, labels, draws)
    divided = zip(*(np.split(part, parts) for part in (images, labels, draws)), strict=True)
    found = [_run(augmentation, *part) for part in divided]
    for expected, together in zip(whole, zip(*found, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(together), expected)


def test_switch_and_probability_choose_among_batches():
    augmentation = Augmentation(crop="none", mixup=1.0, cutmix=1.0, mix_probability=0.6, mix_switch=0.25)
    rows = np.stack([_draws(augmentation, step=step, count=1)[0] for step in range(600)])
    assert np.mean(rows[:, 0] < 1) == pytest.approx(0.6, abs=0.08)  # a standard deviation of 0.02
    assert np.mean(rows[:, 1]) == pytest.approx(0.25, abs=0.08)
    assert np.mean(_draws(Augmentation(crop="none", cutmix=1.0))[:, 1]) == 1
    assert np.mean(_draws(Augmentation(crop="none", mixup=1.0))[:, 1]) == 0


def test_erasing_blanks_a_box_of_each_chosen_image_with_the_mean():
    augmentation = Augmentation(crop="none", erase=0.5)
    images, labels = _images()
    blanked = []
    for step in range(25):
        found, targets = _run(augmentation, images, labels, _draws(augmentation, step=step))
        np.testing.assert_array_equal(targets, np.eye(CLASSES)[labels])
        erased = np.isclose(found, 255 * np.array(MEAN)).all(axis=-1)
        np.testing.assert_array_equal(found[~erased], images[~erased])
        for mask in erased:
            np.testing.assert_array_equal(mask, np.outer(mask.any(axis=1), mask.any(axis=0)))
            blanked.append(mask.mean())
    chosen = [share for share in blanked if share]
    assert len(chosen) / len(blanked) == pytest.approx(0.5, abs=0.2)  # 200 images: a standard deviation of 0.035
    # 2 % of 256 pixels is 5; sides are whole pixels.
    assert min(chosen) >= 0.01 and max(chosen) <= 0.4 and len({round(share, 3) for share in chosen}) > 20
