import numpy as np
import pytest

from kres.training.data import load

RNG = np.random.default_rng(0)
IMAGES = {"x_train": RNG.integers(0, 256, (10, 5, 4)).astype("uint8"), "y_train": np.arange(10) % 2}
TEST = {"x_test": RNG.integers(0, 256, (6, 5, 4)).astype("uint8"), "y_test": np.arange(6) % 3}


def _save(path, **arrays):
    np.savez(path / "data.npz", **arrays)
    return path / "data.npz"


def test_grey_images_as_keras_datasets_keeps_mnist(tmp_path):
    source = load(_save(tmp_path, **IMAGES, **TEST))
    assert source.class_names == ("0", "1", "2") and not source.held_out
    for split, part in ((source.train, "train"), (source.test, "test")):
        arrays = IMAGES | TEST
        np.testing.assert_array_equal(split.labels, arrays[f"y_{part}"])
        for i in range(len(split)):
            np.testing.assert_array_equal(split.read(i), np.repeat(arrays[f"x_{part}"][i][..., None], 3, axis=-1))


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_stay_and_a_column_of_labels_is_flat(tmp_path, channels):
    images = RNG.integers(0, 256, (8, 5, 4, channels)).astype("uint8")
    labels = (np.arange(8) % 2)[:, None].astype("uint8")
    source = load(str(_save(tmp_path, x_train=images, y_train=labels, x_test=images, y_test=labels)))
    np.testing.assert_array_equal(source.train.read(3), np.broadcast_to(images[3], (5, 4, 3)))
    assert source.test.labels.tolist() == [0, 1] * 4


def test_without_test_arrays_a_fifth_is_held_out(tmp_path):
    source = load(_save(tmp_path, **IMAGES))
    assert source.held_out and (len(source.train), len(source.test)) == (8, 2)


def test_pairs_of_arrays_are_a_source():
    pairs = ((IMAGES["x_train"], IMAGES["y_train"]), (TEST["x_test"], TEST["y_test"]))
    source = load(pairs)
    assert (len(source.train), len(source.test), source.classes) == (10, 6, 3)
    with pytest.raises(ValueError, match=r"arrays come as .*Received: a tuple of 2"):
        load(pairs[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_train": IMAGES["x_train"] / 255}, r"multiply floats of 0..1 by 255.*Received: .*float64 for train of"),
        ({"x_train": IMAGES["x_train"].astype("int16")}, r"must be \(n, h, w, 3\) uint8. Received: .*int16"),
        ({"x_train": IMAGES["x_train"][..., None, None]}, r"must be \(n, h, w, 3\) uint8"),
        ({"y_train": np.eye(10)}, r"labels must be \(n,\) integers.*\(10, 10\) float64"),
        ({"y_train": np.arange(9)}, r"labels must be \(10,\)"),
        ({"y_train": np.arange(10) - 1}, r"must lie in 0..8.*Received: label=-1"),
        ({"y_train": np.array(["a"] * 10)}, r"labels must be \(n,\) integers"),
        ({"x_test": TEST["x_test"]}, r"x_test and y_test or neither. Received: .* with x_train, y_train, x_test"),
        ({"y_train": np.array([object()] * 10, dtype=object)}, r"of plain arrays is needed.*allow_pickle=False"),
    ],
)
def test_other_arrays_are_refused(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        load(_save(tmp_path, **(IMAGES | change)))


def test_other_names_are_shown(tmp_path):
    with pytest.raises(ValueError, match=r"must hold x_train and y_train.* with arr_0"):
        load(_save(tmp_path, arr_0=np.zeros(3)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"no archive"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"of plain arrays is needed. Received: .*data.npz"):
        load(tmp_path / "data.npz")


def test_a_truncated_file_is_refused(tmp_path):
    file = _save(tmp_path, **IMAGES)
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"of plain arrays is needed"):
        load(file)


@pytest.mark.parametrize("name", ["labels.csv", "./x.npz", "data.npz"])
def test_a_file_that_is_not_there(name):
    with pytest.raises(ValueError, match=r"directory or a file ending in .csv or .npz.* which is not there"):
        load(name)


def test_other_pixels_under_equal_labels_are_other_contents():
    train, test = ((IMAGES["x_train"], IMAGES["y_train"]), (TEST["x_test"], TEST["y_test"]))
    source = load((train, test))
    other = train[0].copy()
    other[7, 2, 1] ^= 1
    changed = load(((other, train[1]), test))
    assert changed.names_sha256() == source.names_sha256()
    assert changed.contents_sha256() != source.contents_sha256() == load((train, test)).contents_sha256()


def test_a_file_holds_the_same_images_by_every_path(tmp_path, monkeypatch):
    path = _save(tmp_path, **IMAGES)
    whole = load(path)
    monkeypatch.chdir(tmp_path)
    source = load(path.name)
    assert (source.name, whole.name) == ("data.npz", str(path))
    assert source.test.names == whole.test.names and source.test.names[0].startswith("data.npz/train/")
    assert source.names_sha256() == whole.names_sha256()
    assert source.contents_sha256() == whole.contents_sha256()
