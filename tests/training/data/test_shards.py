import numpy as np
import pytest
import tensorflow as tf

from kres.training.data import load, records
from tests.training.data.images import FAULTS, age, png, write_shard

WORDS = ("tench, Tinca tinca", "goldfish", "shark")


def _example(value, *, first=1, **more):
    label = value % 3
    return {
        "image/encoded": png(value),
        "image/class/label": label + first,
        "image/class/text": WORDS[label],
        "image/filename": f"n{value:04}.png",
        **more,
    }


def _garden(path, *, train=12, test=6, first=1, name="{part}-{shard:05}-of-{count:05}", parts=("train", "validation")):
    """Three shards to train and two to validate; image i is filled with the value i and of class i mod 3."""
    for part, count, values in zip(parts, (3, 2), (range(train), range(100, 100 + test)), strict=True):
        for shard in range(count):
            file = path / name.format(part=part, shard=shard, count=count)
            write_shard(file, [_example(value, first=first) for value in values[shard::count]])
    return path


def _values(split):
    return [int(split.read(tf.constant(i, tf.int64))[0, 0, 0]) for i in range(len(split))]


def test_the_model_gardens_imagenet_is_recognised(tmp_path):
    source = load(_garden(tmp_path))
    assert source.class_names == WORDS and not source.held_out
    assert _values(source.train) == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
    assert _values(source.test) == [100, 102, 104, 101, 103, 105]
    for split in (source.train, source.test):
        np.testing.assert_array_equal(split.labels, np.array(_values(split)) % 3)
    assert source.train.names[4:6] == ["train-00001-of-00003/n0001.png", "train-00001-of-00003/n0004.png"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("{part}/{part}-{shard:05}-of-{count:05}", ("train", "validation")),
        ("flowers_{part}-{shard:05}-of-{count:05}.tfrecord", ("train", "test")),
        ("flowers-{part}.tfrecord-{shard:05}-of-{count:05}", ("train", "val")),
    ],
)
def test_other_sets_in_the_same_layout(tmp_path, name, parts):
    source = load(_garden(tmp_path, name=name, parts=parts))
    assert (len(source.train), len(source.test)) == (12, 6)


def test_labels_from_zero_are_taken_as_they_are(tmp_path):
    source = load(_garden(tmp_path, first=0))
    np.testing.assert_array_equal(source.train.labels, np.array(_values(source.train)) % 3)
    assert source.class_names == WORDS


def test_labels_that_begin_elsewhere_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"must begin at 0 or.* at 1. Received: 2 in"):
        load(_garden(tmp_path, first=2))


def test_without_a_split_to_test_on_a_fifth_is_held_out(tmp_path):
    _garden(tmp_path, train=30)
    for file in tmp_path.glob("validation-*"):
        file.unlink()
    source = load(tmp_path)
    assert source.held_out and (len(source.train), len(source.test)) == (24, 6)
    assert sorted([*_values(source.train), *_values(source.test)]) == list(range(30))


def test_examples_without_names_and_words_have_numbers(tmp_path):
    examples = [{key: _example(i)[key] for key in ("image/encoded", "image/class/label")} for i in range(6)]
    write_shard(tmp_path / "train-00000-of-00001", examples)
    write_shard(tmp_path / "test-00000-of-00001", examples)
    source = load(tmp_path)
    assert source.class_names == ("1", "2", "3")
    assert source.test.names[:2] == ["test-00000-of-00001/0", "test-00000-of-00001/1"]


def test_a_missing_shard_is_named(tmp_path):
    (_garden(tmp_path) / "train-00001-of-00003").unlink()
    with pytest.raises(ValueError, match=r"all 3 files of train.*Received: 2, without 1: train-00001-of-00003$"):
        load(tmp_path)


def test_files_of_two_sets_are_an_error(tmp_path):
    write_shard(_garden(tmp_path) / "train-00000-of-00001", [_example(1)])
    with pytest.raises(ValueError, match=r"one train split. Received: .*train-\*-of-00001, train-\*-of-00003"):
        load(tmp_path)


def test_files_of_no_known_split_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"must be named train-SSSSS-of-NNNNN.*with left, right$"):
        load(_garden(tmp_path, parts=("left", "right")))


def test_an_example_without_a_label_is_an_error(tmp_path):
    write_shard(_garden(tmp_path) / "train-00000-of-00003", [_example(0), {"image/encoded": png(1), "label": 2}])
    with pytest.raises(ValueError, match=r"'image/class/label' \(int64\).*-00003, where record 1 has 'image/en"):
        load(tmp_path)


def test_a_label_that_is_text_is_an_error(tmp_path):
    write_shard(_garden(tmp_path) / "train-00000-of-00003", [_example(0, **{"image/class/label": "1"})])
    with pytest.raises(ValueError, match=r"record 0 has .*'image/class/label' \(bytes_list\)"):
        load(tmp_path)


def test_records_that_are_no_examples_are_an_error(tmp_path):
    with tf.io.TFRecordWriter(str(_garden(tmp_path) / "train-00002-of-00003")) as writer:
        writer.write(b"\xff\xff\xff")
    with pytest.raises(ValueError, match=r"must hold tf.train.Example records. Received: .*train-00002-of-00003"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda content: content[:-7], "truncated record"),
        (lambda content: content[:5], "truncated record"),
        (lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:], "corrupted record"),
        (lambda content: b"not a TFRecord file, but long enough to look at", "corrupted record"),
    ],
)
def test_a_damaged_shard_is_named(tmp_path, fault, words):
    file = _garden(tmp_path) / "validation-00001-of-00002"
    file.write_bytes(fault(file.read_bytes()))
    with pytest.raises(ValueError, match=rf"damaged TFRecord file: {words}.*Received: .*validation-00001-of-00002"):
        load(tmp_path)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_image_in_a_whole_record_is_named(tmp_path, fault):
    broken = _example(3, **{"image/encoded": fault(png(3))})
    write_shard(_garden(tmp_path) / "train-00000-of-00003", [_example(0), broken])
    with pytest.raises(ValueError, match=r"1 of 10 training images cannot be decoded: train-00000-of-00003/n0003\.png"):
        load(tmp_path)
    assert load(tmp_path, on_corrupt="skip").corrupt == ("train-00000-of-00003/n0003.png",)


def test_the_files_are_looked_through_once_while_they_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _garden(tmp_path / "data")
    age(*(tmp_path / "data").iterdir())
    looked = []
    real = records._records
    monkeypatch.setattr(records, "_records", lambda file: looked.append(file) or real(file))
    first = load(tmp_path / "data")
    assert len(looked) == 5
    again = load(tmp_path / "data")
    assert len(looked) == 5
    assert _values(again.train) == _values(first.train)
    assert again.train.names == first.train.names and again.class_names == WORDS
    # One shard with other examples, of the same split: the other split's index still holds.
    file = tmp_path / "data" / "validation-00001-of-00002"
    write_shard(file, [_example(200)])
    age(file)
    assert _values(load(tmp_path / "data").test) == [100, 102, 104, 200]
    assert len(looked) == 7


def test_many_threads_get_the_records_that_they_asked_for(tmp_path):
    source = load(_garden(tmp_path))
    order = np.random.default_rng(0).integers(0, 12, 200)
    images = tf.data.Dataset.from_tensor_slices(order).map(source.train.read, num_parallel_calls=8)
    np.testing.assert_array_equal([int(image[0, 0, 0]) for image in images], np.array(_values(source.train))[order])
