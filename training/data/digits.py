"""The 1,797 handwritten digits (8x8 px, 17 grey levels) that scikit-learn ships, embedded.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998),
https://doi.org/10.24432/C50P49, CC BY 4.0; `digits.npz` holds the test part, the same as `sklearn.datasets.load_digits`.
"""

from importlib import resources

import numpy as np
import tensorflow as tf

from kres.training.data.arrays import arrays
from kres.training.data.source import Source, stratified_split

TEST_COUNT = 599
SIZE = 32
LEVELS = 16


def digits() -> Source:
    """1,198 digits to train and 599 to test (fixed, stratified), as 32x32x3 uint8."""
    with resources.files("kres.training.data").joinpath("digits.npz").open("rb") as file, np.load(file) as stored:
        small, labels = stored["images"], stored["labels"]
    images = enlarge(small)
    mask = stratified_split(labels, [str(i) for i in range(len(labels))], test_count=TEST_COUNT)
    return arrays(
        (images[~mask], labels[~mask]),
        (images[mask], labels[mask]),
        class_names=tuple("0123456789"),
        flip_keeps_label=False,
        name="digits",
    )


def enlarge(small: np.ndarray) -> np.ndarray:
    """Grey images (n, 8, 8) of 0..16 as (n, 32, 32, 3) uint8 of 0..255, bilinear with half-pixel centres."""
    grey = small[..., None].astype(np.float32) * (255 / LEVELS)
    large = tf.image.resize(grey, (SIZE, SIZE), method="bilinear").numpy()
    return np.repeat(np.rint(large).astype(np.uint8), 3, axis=-1)
