"""What a recipe takes over from the checkpoint that it goes on from."""

import json
import zipfile

import kres
from kres.training import recipe, starting_from


def _without(archive, option, copy):
    """A copy of a `.keras` file as a kres wrote it that knew no such option."""
    with zipfile.ZipFile(archive) as before, zipfile.ZipFile(copy, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "config.json":
                config = json.loads(content)
                del config["config"][option]
                content = json.dumps(config).encode()
            after.writestr(name, content)
    return copy


def test_a_network_of_an_earlier_version_is_a_start(tmp_path):
    kres.build("cifar_resnet20", input_shape=(8, 8, 3), classes=3).save(tmp_path / "new.keras")
    old = _without(tmp_path / "new.keras", "norm", tmp_path / "old.keras")
    for name in ("transfer", "qat"):
        network = starting_from(recipe(name), old).network
        assert (network.row, network.norm, network.weights) == ("cifar_resnet20", None, str(old))
