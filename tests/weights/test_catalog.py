"""What the catalogue of published weights says, held against itself, the zoo and what publishers say."""

import csv
import re
from pathlib import Path

import pytest

import kres
from kres.weights import PUBLISHED, Published, list_models, network_of, tags_of
from kres.weights.catalog import bit, keras_applications, kerashub, timm, torchvision

FILES = {
    "timm": r"model\.safetensors",
    "torchvision": r"[a-z0-9_]+-[0-9a-f]{8}\.pth",
    "keras": r"[a-z0-9]+_weights_tf_dim_ordering_tf_kernels\.h5",
    "kerashub": r"model\.weights\.h5",
    "bit": r"[\w/-]+\.npz",
}


def with_origin(origin: str) -> dict[str, Published]:
    return {name: row for name, row in PUBLISHED.items() if row.origin == origin}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_row_is_whole(name: str) -> None:
    published = PUBLISHED[name]
    network, _, tag = name.partition(".")
    assert network in kres.list_models()
    assert tag
    assert re.fullmatch(FILES[published.origin], published.file)
    assert published.licence in ("apache-2.0", "bsd-3-clause", "mit", "cc-by-nc-4.0") or tag == "bamboo"
    assert published.non_commercial == (published.licence == "cc-by-nc-4.0")
    assert published.classes in (1000, 11_821, 21_843) or tag == "bamboo"
    assert len(published.preprocess.mean) == 3
    if published.top1 is None:
        assert published.classes != 1000 or tag.startswith("BiT-S")
    else:
        assert published.classes == 1000
        assert 65 < published.top1 < 88  # of ImageNet-1k with these networks; a misplaced digit falls outside
    assert published.md5 is None or re.fullmatch("[0-9a-f]{32}", published.md5)
    assert published.sha256 is None or re.fullmatch("[0-9a-f]{8,64}", published.sha256)


def test_no_two_files_have_one_name() -> None:
    tables = (timm.ROWS, torchvision.ROWS, keras_applications.ROWS, kerashub.ROWS, bit.ROWS)
    assert sum(len(table) for table in tables) == len(PUBLISHED)
    families = [timm.resnet, timm.resnext, timm.senet, timm.legacy_senet, timm.ecaresnet]
    families += [timm.resnetrs, timm.antialiased, timm.resnetv2, timm.bit]
    assert sum(len(family.ROWS) for family in families) == len(timm.ROWS)


def test_imagenet_stands_for_free_weights_wherever_there_are_some() -> None:
    for network in {network_of(name) for name in PUBLISHED}:
        names = list(tags_of(network).values())
        non_commercial = [PUBLISHED[name].non_commercial for name in names if PUBLISHED[name].origin == "timm"]
        assert non_commercial == sorted(non_commercial), names


def test_timms_are_all_here_with_its_results_at_the_networks_own_size() -> None:
    """The file beside this one: timm's results-imagenet.csv and, without figures, what it lists besides."""
    results: dict[str, list[tuple[int, float, float]]] = {}
    recipes = {}
    for line in csv.DictReader(Path(__file__).with_name("timm_results.csv").read_text().splitlines()):
        found = results.setdefault(line["weights"], [])
        if line["top1"]:
            found.append((int(line["size"]), float(line["crop"]), float(line["top1"])))
            recipes[line["weights"]] = line["interpolation"]
    assert set(with_origin("timm")) == set(results)
    for name, figures in results.items():
        row = PUBLISHED[name]
        if figures:
            own = kres.spec(network_of(name)).input_size
            nearest = min(figures, key=lambda figure: (abs(figure[0] - own), figure[0]))
            assert (row.preprocess.size, row.preprocess.crop, row.top1) == nearest, name
            assert row.preprocess.interpolation == recipes[name]
        else:
            assert row.top1 is None, name


def test_torchvisions_names_end_in_their_hash() -> None:
    for name, row in with_origin("torchvision").items():
        stem = row.file.removesuffix(".pth")
        assert stem == f"{network_of(name)}-{row.sha256}"
        assert kres.preprocess(f"torchvision/{name}") == row.preprocess


def test_keras_files_are_those_that_keras_itself_names() -> None:
    from keras.src.applications.resnet import BASE_WEIGHTS_PATH, WEIGHTS_HASHES

    from kres.weights.hub import SITES

    assert f"{SITES['keras'].url}/" == BASE_WEIGHTS_PATH
    ours = {name.removeprefix("keras_").removesuffix(".imagenet"): row for name, row in with_origin("keras").items()}
    assert {name: row.md5 for name, row in ours.items()} == {name: whole for name, (whole, _) in WEIGHTS_HASHES.items()}
    for name, row in ours.items():
        assert row.file == f"{name}_weights_tf_dim_ordering_tf_kernels.h5"


def test_bits_files_are_named_by_network_and_data() -> None:
    for network in ("50x1", "50x3", "101x1", "101x3", "152x2", "152x4"):
        tags = set(tags_of(f"resnetv2_{network}_bit"))
        assert tags >= {f"BiT-{data.format(network)}" for data in ("S-R{}", "M-R{}", "M-R{}-ILSVRC2012")}
    for name, row in with_origin("bit").items():
        tag = name.partition(".")[2]
        assert row.file.removeprefix("distill/") == f"{tag}.npz"
        assert (row.classes == 21_843) == bool(re.fullmatch(r"BiT-M-R\d+x\d", tag))


def test_the_same_numbers_have_the_same_figures() -> None:
    """What KerasHub converted and what timm converted of Google's: one training, whoever publishes it."""
    pairs = {
        "resnet18.resnet_18_imagenet": "resnet18.a1_in1k",
        "resnet50.resnet_50_imagenet": "resnet50.a1_in1k",
        "resnet101.resnet_101_imagenet": "resnet101.a1_in1k",
        "resnet152.resnet_152_imagenet": "resnet152.a1_in1k",
        "resnetv2_50.resnet_v2_50_imagenet": "resnetv2_50.a1h_in1k",
        "resnetv2_101.resnet_v2_101_imagenet": "resnetv2_101.a1h_in1k",
        "resnetv2_50x1_bit.R50x1_224": "resnetv2_50x1_bit.goog_distilled_in1k",
        "resnetv2_152x2_bit.R152x2_T_224": "resnetv2_152x2_bit.goog_teacher_in21k_ft_in1k",
        "resnetv2_152x2_bit.R152x2_T_384": "resnetv2_152x2_bit.goog_teacher_in21k_ft_in1k_384",
    }
    for network in ("50x1", "50x3", "101x1", "101x3", "152x2", "152x4"):
        pairs[f"resnetv2_{network}_bit.BiT-M-R{network}-ILSVRC2012"] = f"resnetv2_{network}_bit.goog_in21k_ft_in1k"
        pairs[f"resnetv2_{network}_bit.BiT-M-R{network}"] = f"resnetv2_{network}_bit.goog_in21k"
    for one, other in pairs.items():
        same = [(row.preprocess, row.top1, row.classes) for row in (PUBLISHED[one], PUBLISHED[other])]
        assert same[0] == same[1], one


def test_every_name_is_listed() -> None:
    assert sorted(list_models(pretrained=True)) == sorted(PUBLISHED)


def test_preprocessing_equals_keras_applications() -> None:
    import keras
    import numpy as np

    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)).astype("float32")
    for name, module in (
        ("keras_resnet50", keras.applications.resnet),
        ("keras_resnet50v2", keras.applications.resnet_v2),
    ):
        ours = PUBLISHED[f"{name}.imagenet"].preprocess(pixels)
        # Ours multiplies and adds where theirs subtracts: a float32 rounding of values up to 152.
        np.testing.assert_allclose(ours, module.preprocess_input(pixels.copy()), atol=2e-5)
