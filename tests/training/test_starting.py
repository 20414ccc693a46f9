"""What a recipe takes over from the checkpoint that it goes on from."""

import json
import zipfile
from dataclasses import replace

import kres
from kres.training import list_recipes, recipe, starting_from
from kres.training.models import training_model
from kres.training.preprocessing import warn_of_other_normalisation
from kres.training.settings.overrides import apply
from tests.training.tiny import tiny_recipe


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


def _warnings(caplog):
    messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    caplog.clear()
    return messages


def test_the_recipes_feed_their_weights_what_these_were_trained_with(caplog):
    recipes = [recipe(name) for name in list_recipes()]
    assert {chosen.name for chosen in recipes if chosen.network.weights} >= {"transfer", "qat", "bit_small"}
    for chosen in recipes:
        warn_of_other_normalisation(chosen)
    assert not _warnings(caplog)


def test_other_images_than_the_published_weights_were_trained_with_are_told_and_how_to_feed_those(caplog):
    chosen = apply(recipe("transfer"), ["network.row=keras_resnet50", "network.weights=imagenet"])
    warn_of_other_normalisation(chosen)
    (message,) = _warnings(caplog)
    assert (
        "imagenet were trained with other values than the recipe's of images.order, images.mean, images.std. "
        in message
    )
    mended = apply(chosen, message.partition("--set ")[2].split(" --set "))
    assert mended.images.order == "bgr"
    warn_of_other_normalisation(mended)
    assert not _warnings(caplog)


def test_a_saved_network_tells_what_it_was_trained_with(tmp_path, caplog):
    tiny = tiny_recipe()
    own = kres.Preprocess(size=8, mean=tiny.images.mean, std=tiny.images.std, order="bgr")
    kres.build("cifar_resnet20", input_shape=(8, 8, 3), classes=3, preprocess=own).save(tmp_path / "bgr.keras")
    file = str(tmp_path / "bgr.keras")
    training_model(replace(tiny, network=replace(tiny.network, weights=file)), classes=3)
    assert _warnings(caplog) == [
        f"the weights {file} were trained with other values than the recipe's of images.order. "
        "To go on with theirs: --set images.order=bgr"
    ]
    warn_of_other_normalisation(starting_from(tiny, file))
    assert not _warnings(caplog)
