import numpy as np
import pytest
from PIL import Image

from kres.training.data import load
from kres.training.data.inspection import inspect


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


def _split(path, part, count, names="ab"):
    for name in names:
        for i in range(count):
            _write(path / part / name / f"{i}.png", i)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        *(("train", test) for test in ("test", "val", "validation", "valid", "eval", "dev")),
        ("Train", "VAL"),
        ("Training", "Testing"),
    ],
)
def test_a_folder_with_splits_keeps_them(tmp_path, train, test):
    _split(tmp_path, train, 3)
    _split(tmp_path, test, 2)
    source = load(tmp_path, on_corrupt="unchecked")
    assert (len(source.train), len(source.test)) == (6, 4)
    assert source.class_names == ("a", "b") and not source.held_out
    assert source.train.names[0] == "a/0.png"


def test_of_a_train_folder_alone_a_fifth_is_held_out(tmp_path):
    _split(tmp_path, "train", 5)
    (tmp_path / "notes").mkdir()
    source = load(tmp_path, on_corrupt="unchecked")
    assert source.held_out and (len(source.train), len(source.test)) == (8, 2)
    assert source.class_names == ("a", "b")


@pytest.mark.parametrize(("split", "other"), [("train", "holdout"), ("val", "learn"), ("test", "valid")])
def test_a_split_beside_a_folder_of_another_name_is_an_error(tmp_path, split, other):
    _split(tmp_path, split, 2)
    _split(tmp_path, other, 2)
    found = ", ".join(sorted((split, other)))
    with pytest.raises(
        ValueError, match=rf"must hold train or training, .*test, val, .*dev;.*Received: .* with {found}$"
    ):
        load(tmp_path)


def test_a_test_folder_alone_is_an_error(tmp_path):
    _split(tmp_path, "test", 2)
    with pytest.raises(ValueError, match=r"must hold train or training, .* with test$"):
        load(tmp_path)


def test_a_split_in_two_folders_is_an_error(tmp_path):
    for part in ("train", "Train", "test"):
        _split(tmp_path, part, 1)
    if len(list(tmp_path.iterdir())) == 3:  # the file system tells upper from lower case
        with pytest.raises(ValueError, match=r"one folder. Received: .*Train and .*train"):
            load(tmp_path)


def test_a_class_may_be_called_train(tmp_path, caplog):
    """As in CIFAR-100 and PASCAL VOC: its images lie in it, and not in folders of classes."""
    for name in ("bus", "train"):
        for i in range(5):
            _write(tmp_path / name / f"{i}.png", i)
    assert load(tmp_path, on_corrupt="unchecked").class_names == ("bus", "train")
    assert "holds no folder, so it is no split, but the class 'train'" in caplog.text


def test_images_in_folders_of_splits_without_classes_are_an_error(tmp_path):
    for name in ("train", "valid"):
        _write(tmp_path / name / "0.png", 0)
    with pytest.raises(ValueError, match=r"one subfolder a class.*train with 0 such"):
        load(tmp_path)


def test_image_files_of_other_formats_are_counted_in_a_warning(flat, caplog):
    for i in range(3):
        _write(flat / "cat" / f"{i}.webp", i)
        _write(flat / "bird" / f"{i}.TIF", i)
    source = load(flat, on_corrupt="unchecked")
    assert len(source.train) + len(source.test) == 20 and source.class_names == ("cat", "dog")
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"6 image files under {flat} are left out" in told and "3 .webp" in told and "3 .tif" in told
    assert "No image is left of bird. Read are .bmp, .gif, .jpeg, .jpg, .png." in told
    assert inspect(source).other_formats == {".tif": 3, ".webp": 3}


def test_a_folder_of_other_formats_alone_says_so(tmp_path):
    for name in "ab":
        _write(tmp_path / name / "0.webp", 0)
    with pytest.raises(ValueError, match=r"with 0 such subfolder\(s\), and 2 \.webp files"):
        load(tmp_path)


def test_the_size_of_a_file_tells_it_from_another_of_its_name(flat):
    source = load(flat, on_corrupt="unchecked")
    before = source.contents_sha256()
    assert load(flat).contents_sha256() == before
    _write(flat / "cat" / "2.bmp", 20, size=(7, 5))
    changed = load(flat, on_corrupt="unchecked")
    assert changed.names_sha256() == source.names_sha256() and changed.contents_sha256() != before


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
    with pytest.raises(ValueError, match=r"1 of \d+ images cannot be decoded: dog/1\.jpg"):
        load(flat)
    source = load(flat, on_corrupt="skip")
    assert source.corrupt == ("dog/1.jpg",)
    assert len(source.train) + len(source.test) == 19


@pytest.mark.parametrize("missing", ["./nowhere", "/nowhere/at/all"])
def test_a_path_that_is_not_there_is_an_error(missing):
    with pytest.raises(ValueError, match=r"must be a directory or a file .* which is not there"):
        load(missing)
