"""Names of published weights: what a user may write, and what is listed."""

import pytest

import kres
from kres.weights import PUBLISHED, published_name


@pytest.mark.parametrize(
    ("source", "row", "expected"),
    [
        ("timm/resnet50.a1_in1k", "resnet50", "resnet50.a1_in1k"),
        ("timm/resnet50.a1_in1k", None, "resnet50.a1_in1k"),
        ("resnet50.tv_in1k", None, "resnet50.tv_in1k"),
        ("tv_in1k", "resnet50", "resnet50.tv_in1k"),
        ("timm/tv_in1k", "resnet50", "resnet50.tv_in1k"),
        ("imagenet", "resnet50", "resnet50.a1_in1k"),
        ("imagenet", "resnet101", "resnet101.a1h_in1k"),
        ("imagenet", "keras_resnet50v2", "keras_resnet50v2.imagenet"),
        ("imagenet", "resnext101_32x4d", "resnext101_32x4d.gluon_in1k"),
        ("keras/imagenet", "keras_resnet50", "keras_resnet50.imagenet"),
        ("torchvision/imagenet1k_v2", "resnet50", "resnet50.imagenet1k_v2"),
        ("torchvision/resnet50.imagenet1k_v2", None, "resnet50.imagenet1k_v2"),
        ("kerashub/resnet_50_imagenet", "resnet50", "resnet50.resnet_50_imagenet"),
        ("bit/BiT-M-R50x1", "resnetv2_50x1_bit", "resnetv2_50x1_bit.BiT-M-R50x1"),
        ("bit/resnetv2_50x1_bit.BiT-M-R50x1", None, "resnetv2_50x1_bit.BiT-M-R50x1"),
    ],
)
def test_tags(source: str, row: str | None, expected: str) -> None:
    assert published_name(source, row) == expected


@pytest.mark.parametrize(
    ("source", "row", "match"),
    [
        ("a9_in1k", "resnet50", "Published for resnet50: a1_in1k, .*Received: 'a9_in1k'"),
        ("imagenet", "cifar_resnet20", "Published for cifar_resnet20: nothing"),
        ("timm/resnet50.a9_in1k", None, r"Closest: resnet50\."),
        ("keras/resnet50.a1_in1k", "resnet50", "published by 'timm'"),
        ("timm/resnet50.a1_in1k", "resnet101", "another network than resnet101"),
        ("missing.safetensor", "resnet50", r"no file \(\.safetensors, "),
    ],
)
def test_what_is_no_tag(source: str, row: str | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        published_name(source, row)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_row_is_found_by_its_origin_and_name(name: str) -> None:
    network, _, tag = name.partition(".")
    origin = PUBLISHED[name].origin
    assert published_name(f"{origin}/{name}") == name
    assert published_name(f"{origin}/{tag}", network) == name
    assert published_name(tag, network) == name


def test_list_models_matches_a_pattern() -> None:
    assert kres.list_models("resnext101_*") == [
        f"resnext101_{x}" for x in ("32x16d", "32x32d", "32x4d", "32x8d", "64x4d")
    ]
    assert kres.list_models("nothing*") == []
    assert len(kres.list_models()) == len(set(kres.list_models()))


def test_list_models_lists_published_weights_with_a_networks_default_first() -> None:
    listed = kres.list_models("resnet50", pretrained=True)
    assert {name.partition(".")[0] for name in listed} == {"resnet50"}
    assert listed[0] == published_name("imagenet", "resnet50")
    assert set(kres.list_models("*.tv_in1k", pretrained=True)) >= {"resnet18.tv_in1k", "resnext50_32x4d.tv_in1k"}
    networks = [name.partition(".")[0] for name in kres.list_models(pretrained=True)]
    assert networks == sorted(networks)
    assert kres.list_models("plainnet*", pretrained=True) == []
