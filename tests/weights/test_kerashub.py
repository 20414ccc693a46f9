"""KerasHub's presets into the rows that they are: with layer names and without, head beside the rest or in one file."""

import json
import logging
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import kres
from kres.weights import PUBLISHED
from tests import golden_weights
from tests.families import without_values
from tests.weights.small import assert_same, network, values

BACKBONE, TASK = "model.weights.h5", "task.weights.h5"
ROWS = {
    "basic": "resnet18",
    "bottleneck": "resnet50",
    "bottleneck_v2": "resnetv2_50",
    "basic_vd": "resnet_vd_18",
    "bottleneck_vd": "resnet50d",
}


def small(kind: str) -> kres.Spec:
    """The row at the size of the golden's network."""
    return replace(kres.spec(ROWS[kind]), depths=(2, 2), widths=(64, 128), classes=10, input_size=64)


def build(kind: str, **options: Any) -> Any:
    return kres.build(small(kind), classifier_activation=None, **options)


def load_golden(kind: str) -> dict[str, Any]:
    """What KerasHub wrote and computed: `files` lists group, layer name and variables' shapes of each file."""
    golden: dict[str, Any] = json.loads((golden_weights.FOLDER / "kerashub" / f"{kind}.json").read_text())
    return golden


def tensor(layer: str, place: int, shape: list[int], *, of: int) -> np.ndarray:
    """One variable of a layer that has `of`, as Keras keeps it; drawn in PyTorch's axis order, as all goldens' are."""
    leaf = (("weight", "bias", "running_mean", "running_var") if len(shape) == 1 and of > 2 else ("weight", "bias"))[
        place
    ]
    order, back = {4: ((3, 2, 0, 1), (2, 3, 1, 0)), 2: ((1, 0), (1, 0)), 1: ((0,), (0,))}[len(shape)]
    return golden_weights.tensor(f"{layer}.{leaf}", [shape[axis] for axis in order]).transpose(back)


def write_layers(group: h5py.Group, entries: list[Any], *, named: bool) -> None:
    for key, layer, shapes in entries:
        variables = group.create_group(f"layers/{key}/vars")
        if named:
            variables.attrs["name"] = layer
        for place, shape in enumerate(shapes):
            variables[str(place)] = tensor(layer, place, shape, of=len(shapes))


def write_preset(folder: Path, kind: str, *, named: bool = True) -> Path:
    """A preset's two files; the path of the one with the backbone."""
    for name, entries in load_golden(kind)["files"].items():
        with h5py.File(folder / name, "w") as file:
            write_layers(file, entries, named=named)
    return folder / BACKBONE


def write_whole(folder: Path, kind: str, *, named: bool = True) -> Path:
    """What `classifier.save` writes: the backbone as a model within the model."""
    files = load_golden(kind)["files"]
    with h5py.File(folder / "inner.h5", "w") as file:
        write_layers(file, files[TASK], named=named)
        write_layers(file.create_group("layers/res_net_backbone"), files[BACKBONE], named=named)
    with zipfile.ZipFile(folder / "whole.keras", "w") as archive:
        archive.write(folder / "inner.h5", "model.weights.h5")
    return folder / "whole.keras"


@pytest.mark.parametrize("named", [True, False], ids=["names", "numbers"])
@pytest.mark.parametrize("write", [write_preset, write_whole], ids=["preset", "whole"])
@pytest.mark.parametrize("kind", ROWS)
def test_outputs_equal_kerashubs(kind: str, write: Any, named: bool, tmp_path: Path) -> None:
    golden = load_golden(kind)
    model = build(kind)
    kres.load_weights(model, write(tmp_path, kind, named=named))
    logits = np.array(model(golden_weights.image(golden["input_size"]), training=False))[0]
    # Float32 arithmetic is off by up to 1e-6 of the largest logit; two kernels in each other's place by 1e-1.
    assert np.abs(logits - golden["logits"]).max() <= 1e-5 * np.abs(golden["logits"]).max()


def test_a_backbone_needs_no_head(tmp_path: Path) -> None:
    path = write_preset(tmp_path, "basic")
    (tmp_path / TASK).unlink()
    model = build("basic", include_top=False)
    kres.load_weights(model, path)
    expected = tensor("stack1_block1_2_conv", 0, [3, 3, 128, 128], of=1)
    np.testing.assert_array_equal(model.get_layer("stage2_block2_conv2").kernel.numpy(), expected)


@pytest.mark.parametrize("named", [True, False])
def test_a_network_without_a_head_leaves_the_files(named: bool, tmp_path: Path) -> None:
    model = build("basic", include_top=False)
    kres.load_weights(model, write_whole(tmp_path, "basic", named=named))
    expected = tensor("conv1_conv", 0, [7, 7, 3, 64], of=1)
    np.testing.assert_array_equal(model.get_layer("stem_conv1").kernel.numpy(), expected)


def test_without_its_second_file_the_head_is_missed(tmp_path: Path) -> None:
    path = write_preset(tmp_path, "basic")
    (tmp_path / TASK).unlink()
    model = network(small("basic"))
    before = values(model)
    with pytest.raises(ValueError, match=r"2 missing from the file: predictions/kernel[\s\S]*include_top=False"):
        kres.load_weights(model, path)
    assert_same(before, model)


def test_a_head_alone_is_no_network(tmp_path: Path) -> None:
    write_preset(tmp_path, "basic")
    model = network(small("basic"))
    before = values(model)
    with pytest.raises(ValueError, match="missing from the file: conv1_conv/kernel"):
        kres.load_weights(model, tmp_path / TASK)
    assert_same(before, model)


def test_other_classes_leave_the_head(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = build("basic", classes=3)
    with caplog.at_level(logging.WARNING, logger="kres"):
        kres.load_weights(model, write_preset(tmp_path, "basic"))
    assert "10 classes in the file and 3 in" in caplog.text


@pytest.mark.parametrize("named", [True, False])
def test_another_networks_preset_is_refused(named: bool, tmp_path: Path) -> None:
    path = write_preset(tmp_path, "basic_vd", named=named)
    model = network(small("basic"))
    before = values(model)
    with pytest.raises(ValueError, match="nothing was loaded"):
        kres.load_weights(model, path)
    assert_same(before, model)


def test_two_networks_in_one_file_are_refused(tmp_path: Path) -> None:
    entries = load_golden("basic")["files"][BACKBONE]
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        for name in ("teacher", "student"):
            write_layers(file.create_group(f"layers/{name}"), entries, named=True)
    with pytest.raises(ValueError, match="stands in it twice"):
        kres.load_weights(build("basic"), tmp_path / "w.weights.h5")


# KerasHub 0.32.0's resnet_presets.py; its counts hold moving statistics, and for ResNet-vd the head.
PRESETS: dict[str, tuple[str, int | None]] = {
    "resnet_18_imagenet": ("resnet18", 11_186_112),
    "resnet_50_imagenet": ("resnet50", 23_561_152),
    "resnet_101_imagenet": ("resnet101", 42_605_504),
    "resnet_152_imagenet": ("resnet152", 58_295_232),
    "resnet_v2_50_imagenet": ("resnetv2_50", None),  # KerasHub states the first version's count
    "resnet_v2_101_imagenet": ("resnetv2_101", None),
    "resnet_vd_18_imagenet": ("resnet_vd_18", 11_722_824),
    "resnet_vd_34_imagenet": ("resnet_vd_34", 21_838_408),
    "resnet_vd_50_imagenet": ("resnet50d", 25_629_512),
    "resnet_vd_50_ssld_imagenet": ("resnet50d", 25_629_512),
    "resnet_vd_50_ssld_v2_imagenet": ("resnet50d", 25_629_512),
    "resnet_vd_50_ssld_v2_fix_imagenet": ("resnet50d", 25_629_512),
    "resnet_vd_101_imagenet": ("resnet101d", 44_673_864),
    "resnet_vd_101_ssld_imagenet": ("resnet101d", 44_673_864),
    "resnet_vd_152_imagenet": ("resnet152d", 60_363_592),
    "resnet_vd_200_imagenet": ("resnet_vd_200", 74_933_064),
}


@pytest.mark.parametrize(
    "preset",
    [
        name
        for name, (_, count) in PRESETS.items()
        if count is not None and "ssld" not in name  # which are other weights of the same networks
    ],
)
def test_a_preset_is_the_row_by_its_parameters(preset: str) -> None:
    row, published = PRESETS[preset]
    with without_values():
        model = kres.build(row, include_top="vd" in preset)
    assert model.count_params() == published


def test_each_preset_is_in_the_catalogue_under_its_row() -> None:
    ours = {name for name, published in PUBLISHED.items() if published.origin == "kerashub"}
    assert ours == {f"{row}.{preset}" for preset, (row, _) in PRESETS.items()}
