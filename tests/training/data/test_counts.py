import numpy as np
import pytest
from PIL import Image

from kres.training.data import PUBLISHED_COUNTS, counts, load


def test_the_digits():
    source = load("digits")
    assert counts("digits") == (len(source.train), source.classes) == (1198, 10)


def test_a_published_set_is_counted_where_it_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.chdir(tmp_path)
    assert counts("imagenet2012") == PUBLISHED_COUNTS["imagenet2012"] == (1_281_167, 1_000)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_counted_with_no_image_decoded(tmp_path, monkeypatch):
    """A folder of that name goes before the published set, as it does in training; one of its files is no image."""
    for name in ("cat", "dog"):
        (tmp_path / "cifar10" / name).mkdir(parents=True)
        for index in range(10):
            Image.fromarray(np.full((4, 4, 3), index, np.uint8)).save(tmp_path / "cifar10" / name / f"{index}.png")
    (tmp_path / "cifar10" / "cat" / "3.png").write_bytes(b"not an image")
    monkeypatch.chdir(tmp_path)
    assert counts("cifar10") == (16, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("mnist", r"mnist is not in .*nothing was to be downloaded\. Received: data='mnist'"),
        ("no_such_set", r"Received: data='no_such_set'"),
        ("./nowhere", r"Received: data='\./nowhere', which is not there"),
    ],
)
def test_what_is_not_there_is_not_fetched(data, message, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=message):
        counts(data)
    assert list(tmp_path.iterdir()) == []
