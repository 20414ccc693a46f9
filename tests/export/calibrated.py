"""Options of a format that takes its ranges from images, for tests that write a file without delivering it."""

from collections.abc import Mapping

import keras
import numpy as np

from kres.export.formats import Options
from kres.export.post_training.calibration import Range
from kres.export.post_training.quantize import PostTraining, quantize


def calibrated(
    model: keras.Model, images: np.ndarray, io: str = "float32", fixed: Mapping[str, Range] | None = None
) -> Options:
    """The options that `deliver` would make: the images, and int8's twin of the model."""
    return Options(calibration=images, quantized=quantize(model, images, PostTraining(), fixed=fixed), io=io)
