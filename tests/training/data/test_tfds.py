import io
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from kres.training.data import load


def _examples(count, offset=0):
    return [(i, {"image": np.full((4, 5, 3), 8 * i + offset, np.uint8), "label": i % 3}) for i in range(count)]


def _write(path, splits, file_format="tfrecord", *, name="tiny", config=None, version="1.2.0", **features):
    features = features or {
        "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
        "label": tfds.features.ClassLabel(num_classes=3),
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        config=config,
        version=version,
        data_dir=str(path),
        file_format=file_format,
        features=tfds.features.FeaturesDict(features),
        split_datasets=splits,
    )
    return path / name


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_a_directory_on_disk_is_read_whole(tmp_path, file_format):
    path = _write(tmp_path, {"train": _examples(9), "test": _examples(6, offset=5)}, file_format)
    source = load(str(path))
    assert (len(source.train), len(source.test), source.classes) == (9, 6, 3)
    for offset, split in ((0, source.train), (5, source.test)):
        seen = {int(split.read(i)[0, 0, 0]): int(label) for i, label in enumerate(split.labels)}
        assert seen == {8 * i + offset: i % 3 for i in range(len(split))}
    assert load(path / "1.2.0").train.names == source.train.names


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_an_image_of_another_size_in_bytes_is_other_contents(tmp_path, file_format):
    examples = _examples(9)
    before = load(_write(tmp_path / "a", {"train": examples, "test": _examples(3)}, file_format))
    examples[5][1]["image"] = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    after = load(_write(tmp_path / "b", {"train": examples, "test": _examples(3)}, file_format))
    assert after.names_sha256() == before.names_sha256()
    assert after.contents_sha256() != before.contents_sha256()


def test_the_newest_version_is_taken_and_a_deeper_one_is_asked_for(tmp_path):
    path = _write(tmp_path / "sets", {"train": _examples(9), "test": _examples(3)})
    shutil.copytree(path / "1.2.0", path / "1.10.0")
    info = path / "1.10.0" / "dataset_info.json"
    info.write_text(info.read_text().replace("1.2.0", "1.10.0"))
    assert load(path).train.names[0] == "tiny/1.10.0/train/0"
    with pytest.raises(ValueError, match=r"where it lies deeper"):
        load(tmp_path / "sets")


def test_a_set_without_a_test_split_holds_a_fifth_out(tmp_path):
    source = load(_write(tmp_path, {"train": _examples(30)}))
    assert (len(source.train), len(source.test)) == (24, 6)


def test_a_set_without_labels_is_an_error(tmp_path):
    features = {"image": tfds.features.Image(shape=(4, 5, 3))}
    examples = [(0, {"image": np.zeros((4, 5, 3), np.uint8)})]
    with pytest.raises(ValueError, match=r"needs an Image and a ClassLabel feature"):
        load(_write(tmp_path, {"train": examples}, **features))


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_images_stay_on_disk(tmp_path, file_format):
    path = _write(tmp_path, {"train": _examples(9), "test": _examples(3)}, file_format)
    source = load(path)
    held = tf.function(source.train.read).get_concrete_function(tf.TensorSpec((), tf.int64)).captured_inputs
    assert sum(tensor.shape.num_elements() for tensor in held) == 0
    # Several threads at once get the records that they asked for.
    order = np.random.default_rng(0).integers(0, 9, 200)
    images = tf.data.Dataset.from_tensor_slices(order).map(source.train.read, num_parallel_calls=8)
    labels = [int(image[0, 0, 0]) // 8 % 3 for image in images]
    np.testing.assert_array_equal(labels, source.train.labels[order])


def _damage(content):
    """One bit of the middle record."""
    content[len(content) // 2] ^= 1


def _cut(content):
    del content[len(content) // 2 :]


def _lose_records(content):
    """All but the first: what is left is a whole file."""
    del content[16 + int.from_bytes(content[:8], "little") :]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_damage, r"damaged TFRecord file: corrupted record at .*Received: .*tiny-train"),
        (_cut, r"damaged TFRecord file: truncated record at .*Received: .*tiny-train"),
        (_lose_records, r"must hold the 9 train examples .*Received: 1$"),
    ],
)
def test_a_damaged_file_is_an_error(tmp_path, fault, words):
    path = _write(tmp_path, {"train": _examples(9), "test": _examples(3)})
    file = next(path.glob("*/tiny-train.tfrecord*"))
    content = bytearray(file.read_bytes())
    fault(content)
    file.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        load(path)
    file.unlink()
    with pytest.raises(ValueError, match="missing or damaged TFRecord file"):
        load(path)


def test_a_test_split_without_labels_is_left_out(tmp_path, caplog):
    hidden = [(key, {**example, "label": -1}) for key, example in _examples(3)]
    source = load(_write(tmp_path / "a", {"train": _examples(9), "test": hidden, "validation": _examples(6)}))
    assert len(source.test) == 6 and "test split of tiny/1.2.0 has no labels" in caplog.text
    source = load(_write(tmp_path / "b", {"train": _examples(30), "test": hidden}))
    assert (len(source.train), len(source.test)) == (24, 6)


def test_a_label_out_of_range_is_an_error(tmp_path):
    examples = _examples(6)
    examples[2][1]["label"] = -1
    with pytest.raises(ValueError, match=r"must lie in 0..2 .*Received: label=-1 in the test split"):
        load(_write(tmp_path, {"train": _examples(9), "test": examples}))


def test_a_corrupt_record_is_named(tmp_path):
    features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=["a", "b", "c"])}
    examples = _examples(9)
    whole = tf.io.encode_png(examples[4][1]["image"]).numpy()
    # An image that is given as encoded bytes is stored as it is.
    examples[4][1]["image"] = io.BytesIO(whole[: len(whole) // 2])
    path = _write(tmp_path, {"train": examples, "test": _examples(3)}, **features)
    with pytest.raises(ValueError, match=r"1 of 9 images cannot be decoded: tiny/1\.2\.0/train/\d"):
        load(path)
    source = load(path, on_corrupt="skip")
    assert (len(source.train), len(source.corrupt)) == (8, 1)
    assert source.class_names == ("a", "b", "c")


def test_an_unknown_name_names_the_closest():
    with pytest.raises(ValueError, match=r"Did you mean .*cifar10.*Received: data='cifar_10'"):
        load("cifar_10")


@pytest.mark.parametrize("name", ["cifar10", "cifar10:3.0.2", "cifar10:3.*.*"])
def test_a_set_that_is_there_needs_no_network(tmp_path, monkeypatch, name):
    _write(tmp_path, {"train": _examples(9), "test": _examples(3)}, name="cifar10", version="3.0.2")
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    source = load(name)
    assert (source.name, len(source.train), len(source.test)) == (name, 9, 3)
    assert source.train.names[0] == "cifar10/3.0.2/train/0"


def test_a_set_with_a_configuration(tmp_path, monkeypatch):
    splits = {"train": _examples(9), "validation": _examples(3)}
    made = _write(tmp_path, splits, name="imagenet_resized", version="0.1.0", config="8x8")
    assert (made / "8x8" / "0.1.0").is_dir()
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    assert len(load("imagenet_resized/8x8").test) == len(load("imagenet_resized/8x8:0.1.0").test) == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cifar10:9.9.9", r"cannot be loaded at version 9.9.9, only: 3.0.2. Received: data='cifar10:9.9.9'"),
        ("cifar10/none", r"BuilderConfig none not found.*Received: data='cifar10/none'"),
        ("cifar1O", r"Did you mean .*cifar10.* Received: data='cifar1O'"),
        ("cifar10:three", r"Received: data='cifar10:three'"),
    ],
)
def test_names_versions_and_configurations_that_there_are_none_of(tmp_path, monkeypatch, name, words):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=rf"(?s){words}"):
        load(name)


def test_a_set_to_download_by_hand_says_what_goes_where(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=r"(?s)imagenet2012 cannot be prepared.*/downloads/manual.*img_train\.tar"):
        load("imagenet2012")
    assert not capsys.readouterr().out  # where a command writes its JSON


@pytest.mark.parametrize("error", [ConnectionError("no route"), tfds.download.DownloadError("HTTP 503")])
def test_a_download_that_fails_is_told_with_advice(tmp_path, monkeypatch, error):
    def fails(*arguments, **options):
        raise error

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fails)
    with pytest.raises(OSError, match=rf"mnist is not in {tmp_path}.*check the network.*TFDS_DATA_DIR.*{error}"):
        load("mnist")
