"""Our layer names parsed, and numbered as Keras numbers layers in files without names."""

import pytest

from kres.weights.rules import numbered, parse


@pytest.mark.parametrize(
    ("name", "role", "n", "stage", "block"),
    [
        ("stem_conv1", "stem_conv", 1, None, None),
        ("stage3_block12_norm2", "block_norm", 2, 3, 12),
        ("stage1_block1_shortcut_conv", "block_shortcut_conv", None, 1, 1),
        ("final_norm", "final_norm", None, None, None),
        ("predictions", "predictions", None, None, None),
    ],
)
def test_layer_names_fall_into_parts(name: str, role: str, n: int | None, stage: int | None, block: int | None) -> None:
    parsed = parse(name)
    assert parsed is not None
    assert (parsed.role, parsed.n, parsed.stage, parsed.block) == (role, n, stage, block)


@pytest.mark.parametrize("name", ["", "Stage1_block1_conv1", "stage1_block1_", "conv2d/kernel", "7"])
def test_other_names_are_not_ours(name: str) -> None:
    assert parse(name) is None


def test_layers_are_numbered_by_their_distance_from_the_output() -> None:
    """A shortcut is as far away as the branch's last layers, and before them; our own order does not count."""
    layers = [
        "predictions",
        *(
            f"stage{s}_block{b}_{kind}{n}"
            for s in (1, 2)
            for b in (1, 2)
            for n in (3, 2, 1)
            for kind in ("conv", "norm")
        ),
        "stage2_block1_shortcut_conv",
        "stage2_block1_shortcut_norm",
        "stem_norm1",
        "stem_conv1",
        "final_norm",
    ]
    names = numbered(layers, classes={"conv": "conv2d", "norm": "norm"})
    by_number = {name: layer for layer, name in names.items()}
    assert by_number["conv2d"] == "stem_conv1"
    expected = ["stage2_block1_conv1", "stage2_block1_conv2", "stage2_block1_shortcut_conv", "stage2_block1_conv3"]
    assert [by_number[f"conv2d_{k}"] for k in range(7, 11)] == expected
    assert by_number["norm_14"] == "final_norm"
    assert "predictions" not in names
