import numpy as np
import pytest
from PIL import Image

from kres.training.data import load


def _write(path, value, size=(6, 5)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


@pytest.fixture
def flat(tmp_path):
    for label, name in enumerate(("cat", "dog")):
        for i in range(10):
            suffix = ("png", "jpg", "bmp", "gif")[i % 4]
            _write(tmp_path / name / f"{i}.{suffix}", 100 * label + 10 * i)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_a_folder_without_splits_holds_out_a_stratified_fifth(flat):
    source = load(str(flat))
    assert source.class_names == ("cat", "dog")
    assert np.bincount(source.train.labels).tolist() == [8, 8]
    assert np.bincount(source.test.labels).tolist() == [2, 2]
    assert not {*source.train.names} & {*source.test.names}
    assert load(flat).test.names == source.test.names


def test_images_and_labels_belong_together(flat):
    source = load(flat)
    for split in (source.train, source.test):
        for i, name in enumerate(split.names):
            label, number = int(name.startswith("dog")), int(name.split("/")[1].split(".")[0])
            image = split.read(i).numpy()
            assert image.shape == (5, 6, 3)
            assert split.labels[i] == label
            assert abs(int(image[0, 0, 0]) - (100 * label + 10 * number)) <= 2  # JPEG rounds


@pytest.mark.parametrize("held_out", ["test", "val", "validation"])
def test_a_folder_with_splits_keeps_them(tmp_path, held_out):
    for part, count in (("train", 3), (held_out, 2)):
        for name in ("a", "b"):
            for i in range(count):
                _write(tmp_path / part / name / f"{i}.png", i)
    source = load(tmp_path)
    assert (len(source.train), len(source.test)) == (6, 4)


def test_a_test_class_that_training_lacks_is_an_error(tmp_path):
    for part, names in (("train", "ab"), ("test", "abc")):
        for name in names:
            _write(tmp_path / part / name / "0.png", 0)
    with pytest.raises(ValueError, match=r"must be a class of .*Received: c"):
        load(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"one subfolder a class.*with 0 such subfolder"):
        load(tmp_path)
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    with pytest.raises(ValueError, match=r"with 0 such subfolder"):
        load(tmp_path)


def test_a_truncated_file_is_fatal_or_skipped_by_option(flat):
    victim = flat / "dog" / "1.jpg"
    victim.write_bytes(victim.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"1 of \d+ training images cannot be decoded: dog/1\.jpg"):
        load(flat)
    source = load(flat, on_corrupt="skip")
    assert source.corrupt == ("dog/1.jpg",)
    assert len(source.train) + len(source.test) == 19


@pytest.mark.parametrize("missing", ["./nowhere", "/nowhere/at/all"])
def test_a_path_that_is_not_there_is_an_error(missing):
    with pytest.raises(ValueError, match=r"must be a directory or a file .* which is not there"):
        load(missing)
