"""What the catalogue of published weights says, held against itself and against the zoo."""

import re

import pytest

import kres
from kres.weights import PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_row_is_whole(name: str) -> None:
    published = PUBLISHED[name]
    row, _, tag = name.partition(".")
    assert row in kres.list_models()
    assert tag
    assert published.classes == kres.spec(row).classes
    assert published.preprocess.size == kres.spec(row).input_size
    assert published.top1 is not None
    assert 65 < published.top1 < 85  # of ImageNet-1k with these networks; a misplaced digit falls outside
    assert published.licence in ("apache-2.0", "bsd-3-clause", "mit", None)
    assert row.startswith("keras_") == (published.origin == "keras")
    if published.origin == "keras":
        assert published.md5 is not None
        assert re.fullmatch("[0-9a-f]{32}", published.md5)


def test_keras_files_are_those_that_keras_itself_names() -> None:
    from keras.src.applications.resnet import BASE_WEIGHTS_PATH, WEIGHTS_HASHES

    from kres.weights.hub import SITES

    assert f"{SITES['keras'].url}/" == BASE_WEIGHTS_PATH
    ours = {name: row for name, row in PUBLISHED.items() if row.origin == "keras"}
    for name, row in ours.items():
        theirs = name.removeprefix("keras_").removesuffix(".imagenet")
        assert row.file == f"{theirs}_weights_tf_dim_ordering_tf_kernels.h5"
        assert row.md5 == WEIGHTS_HASHES[theirs][0]


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
