from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from kres.preprocessing import Preprocess
from kres.training.data import arrays, evaluation_images, sample_images, training_batches
from kres.training.data.pipeline import _dealt, examples_of_step, shuffled
from kres.training.settings import Augmentation, Images

IMAGES = Images(train_size_px=4, test_size_px=4, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
PREPROCESS = Preprocess(size=4, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bilinear")


def _source(train=10, test=7, flip_keeps_label=True):
    """Image i is filled with the value i, but for its left column, which is 255."""

    def made(count):
        images = np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))
        images[:, :, 0] = 255
        return images, np.arange(count) % 3

    return arrays(made(train), made(test), class_names=("a", "b", "c"), flip_keeps_label=flip_keeps_label)


def _batches(source, steps, *, seed=0, batch_size=5, size_px=4, parts=None, **augmentation):
    augmentation = Augmentation(**{"crop": "none", "flip": False, **augmentation})
    found = training_batches(
        source, IMAGES, augmentation, size_px=size_px, batch_size=batch_size, steps=steps, seed=seed, **(parts or {})
    )
    return [tuple(part.numpy() for part in element) for element in found]


def _ids(batches):
    return np.concatenate([images[:, 0, 1, 0] for images, *_ in batches])


def test_each_example_comes_once_an_epoch_in_another_order():
    ids = _ids(_batches(_source(), range(6)))
    epochs = ids.reshape(3, 10)
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_epochs_stay_whole_when_the_batch_does_not_divide_them():
    ids = _ids(_batches(_source(), range(5), batch_size=4))
    assert sorted(ids[:10]) == sorted(ids[10:]) == list(range(10))


@pytest.mark.parametrize("repeats", [1, 2])
def test_the_examples_of_a_step_are_those_that_its_batch_holds(repeats):
    source = _source()
    for step, batch in enumerate(_batches(source, range(4), batch_size=6, seed=3, repeats=repeats)):
        found = examples_of_step(source, step, batch_size=6, repeats=repeats, seed=3)
        assert found.tolist() * repeats == _ids([batch]).tolist()


def test_labels_belong_to_their_images():
    for images, labels, draws in _batches(_source(), range(4)):
        np.testing.assert_array_equal(images[:, 0, 1, 0] % 3, labels)
        assert images.dtype == np.uint8 and labels.dtype == np.int32
        assert draws.shape == (5, 0)  # nothing is left to do on the accelerator


EVERYTHING = {"crop": "pad", "padding_px": 1, "flip": True, "policy": "trivialaugment", "erase": 0.5, "mixup": 0.2}


def _assert_same(found, expected):
    for element, other in zip(found, expected, strict=True):
        for part, other_part in zip(element, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


def test_a_later_start_gives_the_same_batches():
    whole = _batches(_source(), range(6), batch_size=4, **EVERYTHING)
    rest = _batches(_source(), range(3, 6), batch_size=4, **EVERYTHING)
    _assert_same(rest, whole[3:])
    other = _batches(_source(), range(6), batch_size=4, seed=1, **EVERYTHING)
    assert any(np.any(part != other_part) for part, other_part in zip(whole[0], other[0], strict=True))


@pytest.mark.parametrize(("processes", "local"), [(4, 1), (2, 2), (1, 4)])
def test_processes_together_read_what_one_replica_alone_reads(processes, local):
    whole = _batches(_source(), range(3), batch_size=8, **EVERYTHING)
    parts = [
        _batches(
            _source(),
            range(3),
            batch_size=8,
            parts={"replicas": 4, "first_replica": process * local, "local_replicas": local},
            **EVERYTHING,
        )
        for process in range(processes)
    ]
    for step, expected in enumerate(whole):
        elements = [element for part in parts for element in part[step * local : (step + 1) * local]]
        assert all(len(labels) == 2 for _, labels, _ in elements)
        _assert_same([tuple(map(np.concatenate, zip(*elements, strict=True)))], [expected])


def test_a_process_reads_its_own_part_only():
    read = []
    source = _source(train=8)

    def noted(index):
        with tf.control_dependencies([tf.numpy_function(lambda i: read.append(int(i)) or i, [index], tf.int64)]):
            return source.train.read(index)

    noting = replace(source, train=replace(source.train, read=noted))
    found = _batches(noting, range(1), batch_size=8, parts={"replicas": 4, "first_replica": 2})
    assert sorted(set(read)) == sorted(_ids(found)) and len(found) == 1


@pytest.mark.parametrize(("batch_size", "repeats"), [(6, 3), (8, 3), (9, 4), (4, 3), (2, 5)])
def test_batches_of_any_size_are_cut_off_the_row_of_copies(batch_size, repeats):
    """The row is that of timm's RepeatAugSampler: the shuffled images, each so often, one after the other."""
    source, steps = _source(train=8), 12
    order = _ids(_batches(source, range(steps), batch_size=batch_size, seed=3))
    row = np.repeat(order, repeats)[: steps * batch_size].reshape(steps, batch_size)
    found = _batches(source, range(steps), batch_size=batch_size, seed=3, repeats=repeats)
    for step, (batch, expected) in enumerate(zip(found, row, strict=True)):
        assert sorted(_ids([batch])) == sorted(expected)
        different = examples_of_step(source, step, batch_size=batch_size, repeats=repeats, seed=3)
        assert set(different) == set(expected)


def test_batches_cut_off_the_row_are_the_same_from_any_step_and_for_any_replica():
    options = {"batch_size": 8, "repeats": 3, "crop": "pad", "padding_px": 1, "flip": True, "mixup": 0.2}
    whole = _batches(_source(), range(4), **options)
    _assert_same(_batches(_source(), range(2, 4), **options), whole[2:])
    halves = [
        _batches(_source(), range(4), parts={"replicas": 2, "first_replica": place}, **options) for place in (0, 1)
    ]
    together = [tuple(map(np.concatenate, zip(*parts, strict=True))) for parts in zip(*halves, strict=True)]
    _assert_same(together, whole)


def test_an_epoch_sees_as_many_images_as_there_are_copies_counted():
    """As in timm: of 12 images 4, three times each; 3 epochs see all, though no batch of 4 holds whole triples."""
    ids = _ids(_batches(_source(train=12), range(9), batch_size=4, repeats=3))
    for epoch in ids.reshape(3, 12):
        assert np.unique(epoch, return_counts=True)[1].tolist() == [3, 3, 3, 3]
    assert np.unique(ids, return_counts=True)[1].tolist() == [3] * 12


@pytest.mark.parametrize("repeats", [2, 3, 4, 5])
def test_copies_are_never_partners_whatever_the_size_of_the_batch(repeats):
    for batch_size in range(2 * repeats, 12 * repeats, 2):
        for step in range(repeats):  # where in a row of copies a batch begins, repeats itself after so many
            image = (step * batch_size + _dealt(batch_size, repeats=repeats)) // repeats
            assert np.all(image[0::2] != image[1::2]), (batch_size, step)
            assert sorted(image) == sorted((step * batch_size + np.arange(batch_size)) // repeats)


@pytest.mark.parametrize("repeats", [1, 2, 4])
def test_a_batch_holds_copies_of_its_images_and_an_epoch_each_image_as_often(repeats):
    found = _batches(_source(train=8), range(repeats), batch_size=8, repeats=repeats)
    ids = _ids(found).reshape(repeats, repeats, 8 // repeats)
    np.testing.assert_array_equal(ids, np.tile(ids[:, :1], (1, repeats, 1)))
    assert sorted(ids[:, 0].ravel()) == list(range(8))


def test_copies_are_augmented_on_their_own_and_are_never_partners():
    images, *_ = _batches(_source(), range(1), batch_size=8, repeats=2, **{**EVERYTHING, "policy": "none"})[0]
    assert np.any(images[:4] != images[4:])
    ids = images.max(axis=(1, 3))[:, 1]
    assert np.all(ids[0::2] != ids[1::2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": {"replicas": 3}}, "must be a multiple of replicas=3. Received: batch_size=8"),
        ({"parts": {"replicas": 2, "first_replica": 1, "local_replicas": 2}}, "among the 2 .* first_replica=1"),
        ({"parts": {"replicas": 8}, "mixup": 0.2}, "an even number of them. Received: batch_size=8 in 8"),
        ({"repeats": 8, "cutmix": 1.0}, "at least two different images"),
        ({"crop": "random_side", "side_px": (3, 9)}, r"training size, 4 pixels, .* side_px=\(3, 9\)"),
    ],
)
def test_a_batch_that_cannot_be_divided_or_cut_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        _batches(_source(), range(1), batch_size=8, **options)


def test_another_seed_gives_another_order():
    assert _ids(_batches(_source(), range(2))).tolist() != _ids(_batches(_source(), range(2), seed=1)).tolist()


def test_places_of_examples_are_spread_evenly_over_epochs():
    count, epochs = 5, 400
    order = np.array([int(shuffled(tf.constant(p, tf.int64), count, seed=3)) for p in range(count * epochs)])
    firsts = np.bincount(order.reshape(epochs, count)[:, 0], minlength=count)
    # Binomial: 80 expected with a standard deviation of 8; five of them as the limit.
    assert np.abs(firsts - epochs / count).max() < 40


@pytest.mark.parametrize("keeps", [True, False])
def test_flips_only_where_the_label_survives(keeps):
    batches = _batches(_source(flip_keeps_label=keeps), range(20), flip=True)
    flipped = np.concatenate([images[:, 0, 3, 0] == 255 for images, *_ in batches])
    assert flipped.any() == keeps


@pytest.mark.parametrize("batch_size", [1, 3, 7, 50])
def test_evaluation_counts_every_image_once(batch_size):
    seen = [
        (images.numpy(), labels.numpy())
        for images, labels in evaluation_images(_source(), PREPROCESS, batch_size=batch_size)
    ]
    images = np.concatenate([images for images, _ in seen])
    np.testing.assert_allclose(images[:, 0, 1, 0], (np.arange(7) / 255 - 0.5) / 0.25, atol=1e-6)
    assert np.concatenate([labels for _, labels in seen]).tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_samples_are_different_images_with_the_classes_in_turn():
    images, labels = sample_images(_source(), PREPROCESS, count=6, seed=1)
    assert images.shape == (6, 4, 4, 3) and images.dtype == np.float32
    assert sorted(labels.tolist()) == [0, 0, 1, 1, 2, 2]
    assert len({float(image[0, 1, 0]) for image in images}) == 6
    again, _ = sample_images(_source(), PREPROCESS, count=6, seed=1)
    np.testing.assert_array_equal(images, again)
    other, _ = sample_images(_source(), PREPROCESS, count=6, seed=2)
    assert np.any(images != other)


def test_samples_hold_each_class_equally_often_while_it_has_images():
    labels = np.repeat([0, 1, 2], [100, 40, 5])
    images = np.broadcast_to(np.arange(145, dtype="uint8")[:, None, None, None], (145, 4, 4, 3))
    source = arrays((images, labels), (images[:3], labels[:3]), class_names=("a", "b", "c"))
    for count, expected in ((12, [4, 4, 4]), (15, [5, 5, 5]), (65, [30, 30, 5]), (100, [55, 40, 5])):
        _, chosen = sample_images(source, PREPROCESS, count=count, seed=3)
        assert np.bincount(chosen).tolist() == expected


def test_more_samples_than_images_is_an_error():
    with pytest.raises(ValueError, match=r"1..7, the images of the test split. Received: count=8"):
        sample_images(_source(), PREPROCESS, count=8, split="test")


def test_images_of_any_size_are_resized_and_cropped_as_the_network_wants_them():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (5, 9, 7, 3)).astype("uint8"), np.arange(5) % 2
    source = arrays((images, labels), (images, labels), class_names=("a", "b"))
    expected = np.stack([PREPROCESS.image_to_input(image) for image in images])
    (found, _), *_ = evaluation_images(source, PREPROCESS)
    np.testing.assert_array_equal(found, expected)
    sampled, _ = sample_images(source, PREPROCESS, count=5)
    np.testing.assert_array_equal(np.sort(sampled, axis=0), np.sort(expected, axis=0))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), np.zeros(2, int), "must be .* uint8. Received: .*float32"),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, int), "must be .* uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, int), r"labels must be \(2,\)"),
    ],
)
def test_arrays_of_other_shapes_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        arrays((images, labels), (images, labels), class_names=("a",))
