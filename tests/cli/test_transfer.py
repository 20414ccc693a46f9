"""`kres train photos`: a user's folder, published weights from a hub on the loopback, and no recipe named."""

import keras
import numpy as np
import pytest
from safetensors.numpy import save

from tests import golden_weights
from tests.cli.processes import finish, start
from tests.weights.hub_server import serving


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that has made-up weights of ResNet-18 under the tag that the recipe names."""
    with serving() as host:
        state = golden_weights.state_dict(golden_weights.load("resnet18"))
        host.files["/timm/resnet18.a1_in1k/resolve/main/model.safetensors"] = save(state)
        monkeypatch.setenv("HF_ENDPOINT", host.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield host


@pytest.fixture
def photos(tmp_path):
    """Twenty pictures of two classes, bright and dark: fewer than a batch takes."""
    rng = np.random.default_rng(0)
    for name, level in (("day", 200), ("night", 40)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(10):
            pixels = np.clip(rng.normal(level, 20, (70, 90, 3)), 0, 255).astype(np.uint8)
            keras.utils.save_img(tmp_path / "photos" / name / f"{index}.png", pixels)
    return tmp_path / "photos"


@pytest.mark.slow
@pytest.mark.usefixtures("hub")
def test_a_folder_is_all_that_a_run_needs(photos):
    """A ResNet-18 on small pictures and three steps stand for ResNet-50 and 300, which are too much for a test."""
    cwd = photos.parent
    smaller = ("network.row=resnet18", "images.train_size_px=32", "images.test_size_px=32")
    options = [word for change in smaller for word in ("--set", change)]
    out, err = finish(start("train", "photos", *options, "--steps", "3", cwd=cwd), 0)
    assert "a batch of 32 takes each of the 16 training images 2 times" in err
    assert "head" in err  # is fresh, which is said
    assert "of 4 test images right after 3 steps" in out and "kres predict runs/transfer-photos photo.jpg" in out

    # The advice that it ends with is good as it stands.
    out, _ = finish(start("predict", "runs/transfer-photos", "photos/day/0.png", "--json", cwd=cwd), 0)
    assert "day" in out and "night" in out
