"""Where blocks stand: strides, dilations and rates, against the rules of the reference implementations."""

from dataclasses import replace

import pytest

import kres
from kres.stages import Resolution, output_strides, places


def dilations(name: str, **options) -> dict[str, tuple[int, int]]:
    """(first, later) dilation of each block whose convolutions dilate."""
    found = places(kres.spec(name), resolution=Resolution(**options))
    return {f"{p.stage}.{p.index}": (p.first_dilation, p.dilation) for p in found if p.dilation > 1}


def test_without_an_output_stride_nothing_dilates() -> None:
    found = list(places(kres.spec("resnet50"), resolution=Resolution()))
    assert [p.stage for p in found if p.stride == 2] == [2, 3, 4]
    assert {(p.first_dilation, p.dilation) for p in found} == {(1, 1)}
    assert [found[i].nominal_stride for i in (2, 6, 12, 15)] == [4, 8, 16, 32]
    assert [p.out for p in found if p.last] == ["stage1_out", "stage2_out", "stage3_out", "stage4_out"]
    assert found[0].out == "stage1_block1_out"


def test_torchvision_keeps_the_dilation_of_the_convolution_whose_stride_is_taken() -> None:
    """`_make_layer` of torchvision's ResNet with replace_stride_with_dilation=[False, True, True]."""
    found = dilations("resnet50", output_stride=8)
    assert found == {
        "3.1": (1, 2), "3.2": (2, 2), "3.3": (2, 2), "3.4": (2, 2), "3.5": (2, 2), "3.6": (2, 2),
        "4.1": (2, 4), "4.2": (4, 4), "4.3": (4, 4),
    }  # fmt: skip
    assert dilations("resnet50", output_stride=16) == {"4.1": (1, 2), "4.2": (2, 2), "4.3": (2, 2)}


def test_deeplab_dilates_the_whole_stage() -> None:
    """`DilatedResNet` of TensorFlow's model garden: rate 2 from the first stage without a stride, then twice that."""
    found = dilations("resnet50", output_stride=8, rule="deeplab")
    assert set(found.values()) == {(2, 2), (4, 4)}
    assert found["3.1"] == (2, 2)
    assert found["4.1"] == (4, 4)


def test_multigrid_multiplies_the_last_stage() -> None:
    found = dilations("resnet50", output_stride=16, rule="deeplab", multigrid=(1, 2, 4))
    assert found == {"4.1": (2, 2), "4.2": (4, 4), "4.3": (8, 8)}


def test_a_stride_at_a_stages_end_dilates_what_follows() -> None:
    """keras.applications v2 strides in the last block of a stage."""
    found = dilations("keras_resnet50v2", output_stride=16)
    assert found == {"3.6": (1, 2), "4.1": (2, 2), "4.2": (2, 2), "4.3": (2, 2)}
    nominal = [p.nominal_stride for p in places(kres.spec("keras_resnet50v2"), resolution=Resolution(output_stride=8))]
    assert nominal == [4, 4, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32, 32, 32][: len(nominal)]


def test_drop_path_grows_from_0_to_its_rate() -> None:
    rates = [p.drop_path for p in places(kres.spec("resnet18"), resolution=Resolution(), drop_path=0.7)]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_one_block_is_no_division_by_zero() -> None:
    spec = replace(kres.spec("cifar_resnet20"), depths=(1,), widths=(16,))
    (only,) = places(spec, resolution=Resolution(), drop_path=0.5)
    assert (only.drop_path, only.stride, only.last) == (0.0, 1, True)


def test_output_strides() -> None:
    assert output_strides(kres.spec("resnet50")) == [4, 8, 16, 32]
    assert output_strides(kres.spec("cifar_resnet20")) == [1, 2, 4]
